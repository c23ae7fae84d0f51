/* The graphical screen of a machine: its port, its random password, and who may see that. */
#pragma once

#include "server/core/fragment.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

/* Port and password of a new machine, as far as its template asks for them. */
void vm_screen_give(World *world, Template *template, gint32 id);

/* May a user who is no administrator have the port that the template names? It must be one that
 * machines get, VNC_PORTS, and no other machine's. FALSE with the error. */
gboolean vm_screen_fits(World *world, const Template *template, GError **error);

/* Whether the machine has a password that is only for those who may manage it. */
gboolean vm_screen_is_secret(const Vm *vm);
/* The machine's rendering without it: whole, or as lists show it. (owned) */
Fragment *vm_screen_hidden(World *world, Vm *vm, gboolean whole);
/* Takes the password away for a moment, and puts it back: around a rendering. (owned) */
char *vm_screen_cover(Vm *vm);
void vm_screen_uncover(Vm *vm, char *password); /* takes it */
