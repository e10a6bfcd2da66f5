/*
 * json.c
 *		Writes JSON: by jansson where a text may need escapes.
 */
#include "base/json.h"

#include <assert.h>
#include <jansson.h>

void
json_put_text(Buffer *out, const char *name, const char *text)
{
	buffer_puts(out, name);
	if (text != NULL)
		buffer_puts(out, "\"");
	buffer_puts(out, text ? text : "null");
	if (text != NULL)
		buffer_puts(out, "\"");
}

void
json_put_number(Buffer *out, const char *name, const char *number)
{
	buffer_puts(out, name);
	buffer_puts(out, number ? number : "null");
}

static int
put_json(const char *bytes, size_t size, void *out)
{
	buffer_put(out, bytes, size);
	return 0;
}

void
json_put_escaped(Buffer *out, const char *name, const char *text)
{
	json_t *string;

	assert(text != NULL);
	string = json_string(text);
	buffer_puts(out, name);
	if (string == NULL)
		string = json_string("");
	if (string == NULL || json_dump_callback(string, put_json, out, JSON_ENCODE_ANY) != 0)
		out->failed = true;
	json_decref(string);
}
