/*
 * The Engine API of Docker and Podman, as far as both drivers need it.
 * Source: the API's own documentation, version 1.41 (Docker 20.10).
 */
#pragma once

#include "drivers/common/json.h"
#include "drivers/common/rest.h"

#define DOCKER_SOCKETS "/run/docker.sock:/var/run/docker.sock:/run/podman/podman.sock"

extern const RestSettings docker_settings;

/* Where Podman's service has its own API beside Docker's; Docker has nothing there. */
#define PODMAN "/v4.0.0/libpod"

/* Of the answer to GET /info: Podman says so of itself, Docker nothing. */
gboolean docker_is_podman(JsonObject *info);

/* What identifies a container as a machine of oned's. */
#define DOCKER_UUID "one.uuid"
#define DOCKER_VID  "one.vid"

/* One call. The answer's document (owned; an empty object when it has none), or NULL with the
 * error: ONE_ERROR_NO_EXISTS when there is no such thing, ONE_ERROR_ACTION when the engine
 * refused. That it was so already is no error. `watch` may be NULL. */
JsonObject *docker_do(const char *host, const char *method, const char *path, JsonObject *body,
                      const SshWatch *watch, GError **error);
/* A call whose answer is an array. (owned) */
JsonArray *docker_list(const char *host, const char *path, GError **error);
/* Calls whose answer is a stream of documents with progress; an "error" in one is the call's. The
 * body is read from `input`, a tar file; 0: none. */
gboolean docker_follow(const char *host, const char *path, int input, const SshWatch *watch,
                       GError **error);

/* What an answer says: its document, or its error. (owned) */
JsonObject *docker_read_answer(const char *host, const RestReply *reply, GError **error);

/* "RUNNING" as oned's information driver says it, of the engine's state "running". */
const char *docker_state_name(const char *state);
