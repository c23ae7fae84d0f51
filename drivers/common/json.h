/*
 * Answers of REST services, read without trust: any text is either a document or an error, and
 * what a document lacks, or has with another type, is simply not there. Paths are names with
 * dots between: "metadata.status_code".
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/* How deep arrays and objects may be nested. */
#define JSON_DEPTH_MAX 64
/* One line of a stream of documents, in bytes. */
#define JSON_LINE_MAX (1 << 20)

/* A document that is an object. The error tells what is wrong with the text. (owned) */
JsonObject *json_read(const char *text, gsize length, GError **error);
/* The same for an array. (owned) */
JsonArray *json_read_list(const char *text, gsize length, GError **error);
/* The text of an object, on one line. (owned) */
char *json_print(JsonObject *object);

/* All borrowed from the object; NULL (or `otherwise`) when it is not there, or is no such thing.
 * A NULL object has nothing. */
JsonObject *json_object_at(JsonObject *object, const char *path);
JsonArray *json_array_at(JsonObject *object, const char *path);
const char *json_text_at(JsonObject *object, const char *path);
gint64 json_int_at(JsonObject *object, const char *path, gint64 otherwise);
gboolean json_bool_at(JsonObject *object, const char *path);
/* A member whose name may have dots. */
const char *json_text_of(JsonObject *object, const char *name);
JsonObject *json_object_of(JsonObject *object, const char *name);

/* The nth element; 0 for NULL arrays. */
guint json_count(JsonArray *array);
JsonObject *json_nth_object(JsonArray *array, guint index);
const char *json_nth_text(JsonArray *array, guint index);
