/* Answers of container daemons: read or refused, and what is asked of a document never ends the
 * driver. */
#include "drivers/common/docker.h"
#include "drivers/common/lxd.h"
#include "drivers/common/rest_stream.h"
#include "drivers/im/im_rest.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(JsonObject *object, guint depth)
{
    g_autoptr(GList) names = json_object_get_members(object);
    for (const GList *name = names; name; name = name->next) {
        JsonObject *below = json_object_of(object, name->data);
        (void)json_text_of(object, name->data);
        (void)json_int_at(object, name->data, 0);
        (void)json_bool_at(object, name->data);
        (void)json_nth_text(json_array_at(object, name->data), 0);
        (void)im_lxd_memory(json_text_of(object, name->data));
        if (below && depth < JSON_DEPTH_MAX)
            walk(below, depth + 1);
    }
}

/* What a server sends on a WebSocket: each frame lies within the bytes that came. */
static void read_frames(const uint8_t *data, size_t size)
{
    SocketKind kind;
    gboolean last;
    const guint8 *payload;
    gsize length;
    for (gsize at = 0; at < size;) {
        gssize used = socket_parse(data + at, size - at, &kind, &last, &payload, &length);
        if (used <= 0)
            break;
        g_assert_true(payload >= data + at && payload + length == data + at + used);
        at += (gsize)used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL, refused = NULL;
    g_autoptr(JsonObject) object = json_read((const char *)data, size, &error);
    g_assert_true((object == NULL) == (error != NULL));
    if (object) {
        const char *state;
        g_free(im_lxd_event(object, &state));
        g_free(im_docker_event(object));
        g_autofree char *text = json_print(object);
        g_assert_nonnull(text);
        walk(object, 0);
    }
    RestReply reply = {200, g_string_new_len((const char *)data, (gssize)size)};
    g_autoptr(JsonObject) answer = lxd_read_answer("host", &reply, &refused);
    g_assert_true((answer == NULL) == (refused != NULL));
    g_autoptr(JsonObject) docker = docker_read_answer("host", &reply, NULL);
    g_autofree char *printed = docker ? json_print(docker) : NULL;
    g_assert_true((printed == NULL) == (docker == NULL));
    g_autoptr(JsonArray) list = json_read_list((const char *)data, size, NULL);
    if (json_nth_object(list, 0))
        walk(json_nth_object(list, 0), 0);
    rest_reply_clear(&reply);
    read_frames(data, size);
    return 0;
}
