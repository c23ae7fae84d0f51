/* Answers of container daemons: read or refused, and what is asked of a document never ends the
 * driver. */
#include "drivers/common/lxd.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL, refused = NULL;
    g_autoptr(JsonObject) object = json_read((const char *)data, size, &error);
    g_assert_true((object == NULL) == (error != NULL));
    if (object) {
        g_autofree char *text = json_print(object);
        g_assert_nonnull(text);
        walk(object, 0);
    }
    RestReply reply = {200, g_string_new_len((const char *)data, (gssize)size)};
    g_autoptr(JsonObject) answer = lxd_read_answer("host", &reply, &refused);
    g_assert_true((answer == NULL) == (refused != NULL));
    rest_reply_clear(&reply);
    return 0;
}
