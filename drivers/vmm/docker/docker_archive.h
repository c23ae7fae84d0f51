/*
 * What an archive of `docker save` may bring to a host. An engine gives the names that stand in an
 * archive to what it loads, also those that images of others have there: only archives without
 * names are taken. Sources: Docker's image specification 1.2 ("manifest.json"), the image layout of
 * the Open Container Initiative 1.0 ("index.json").
 */
#pragma once

#include "drivers/vmm/container/container_image.h"

/* What is at the top of an archive, as container_image_read() wants it. */
#define DOCKER_MANIFEST "manifest.json"

/* "sha256:..." of its image: the archive has the configuration with that sum. (owned) */
char *docker_archive_id(const ContainerImage *image, const char *manifest, GError **error);
/* Whether it may be loaded: one image, with no name but `name` (NULL: none), and no files but those
 * that engines write. */
gboolean docker_archive_check(const ContainerImage *image, const char *manifest, const char *name,
                              GError **error);
