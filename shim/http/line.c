/*
 * line.c
 *		Takes the target of a request apart (RFC 9112, section 3.2).
 */
#include "http/line.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static bool
is_valid(const char *target)
{
	for (const char *c = target; *c; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 127)
			return false;
	return *target == '/' || strcmp(target, "*") == 0 || strncasecmp(target, "http://", 7) == 0;
}

static void
read_path(RequestLine *line, const char *text, size_t length)
{
	char decoded[PATH_SIZE];
	size_t size = percent_decode(text, length, decoded, sizeof(decoded));
	size_t count = 0;

	line->path_length = 0;
	if (size >= sizeof(decoded))
		return;
	for (size_t i = 0; i < size; i++)
		if (decoded[i] != '/' || count == 0 || line->path[count - 1] != '/')
			line->path[count++] = decoded[i];
	if (count > 1 && line->path[count - 1] == '/')
		count--;
	line->path_length = count;
}

/* Keeps the host of a target in absolute form, as sent to proxies; returns what is behind it. */
static const char *
read_authority(RequestLine *line, const char *text)
{
	size_t length = strcspn(text, "/?");
	bool fits = length < sizeof(line->authority);

	snprintf(line->authority, sizeof(line->authority), "%.*s", fits ? (int) length : 0, text);
	line->is_absolute = true;
	return text + length;
}

const char *
line_read_target(RequestLine *line, const char *target)
{
	size_t length;

	assert(target != NULL);
	line->target = target;
	line->target_length = strlen(target);
	line->target_valid = is_valid(target);
	line->is_absolute = false;
	line->authority[0] = '\0';
	if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0)
		target = read_authority(line, strstr(target, "//") + 2);
	length = strcspn(target, "?");
	read_path(line, target, length);
	return target[length] == '?' ? target + length + 1 : "";
}
