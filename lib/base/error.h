/*
 * The one error domain of Globule. Its codes are the error codes of the wire
 * (the third element of a failed XML-RPC reply), so that any function may name
 * the class of a failure and the RPC layer passes it on as it is.
 * A message says what was wrong, with which value, and what to do.
 */
#pragma once

#include <glib.h>

#define ONE_ERROR (one_error_quark())

typedef enum {
    ONE_ERROR_AUTHENTICATION = 0x0100, /* the session is not valid */
    ONE_ERROR_AUTHORIZATION = 0x0200,  /* the caller may not do this */
    ONE_ERROR_NO_EXISTS = 0x0400,      /* no object with this id */
    ONE_ERROR_ACTION = 0x0800,         /* the state of the object forbids it */
    ONE_ERROR_RPC_API = 0x1000,        /* a parameter has no meaning */
    ONE_ERROR_INTERNAL = 0x2000,       /* parse errors, storage errors */
    ONE_ERROR_ALLOCATE = 0x4000,       /* the object could not be created */
    ONE_ERROR_LOCKED = 0x8000,         /* the object is locked */
    ONE_ERROR_UNREACHABLE = 0xF002,    /* clients only: the server did not answer */
    ONE_ERROR_TIMEOUT = 0xF008,        /* clients only: the answer came too late */
} OneError;

GQuark one_error_quark(void);
