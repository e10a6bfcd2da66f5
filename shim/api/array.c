/*
 * array.c
 *		Cuts a JSON array into its elements without understanding them.
 *
 * Brackets are counted, not matched.  An element whose brackets do not match
 * is no JSON, so whoever reads it refuses it; and where all elements are JSON,
 * the array as it was cut here is JSON too.  So nothing that passes both can
 * be read in two ways.
 */
#include "api/array.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t
skip_blanks(const char *text, size_t length, size_t i)
{
	while (i < length && is_blank(text[i]))
		i++;
	return i;
}

/* The closing quote of the string whose opening one is at i; length when there is none. */
static size_t
string_end(const char *text, size_t length, size_t i)
{
	assert(i < length && text[i] == '"');
	for (i++; i < length && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < length ? i : length;
}

/* What ends the element that begins at i: a comma or a closing bracket; length when cut. */
static size_t
element_end(const char *text, size_t length, size_t i)
{
	size_t depth = 0;

	for (; i < length; i++)
		switch (text[i])
		{
			case '"':
				i = string_end(text, length, i);
				break;
			case '[':
			case '{':
				depth++;
				break;
			case ']':
			case '}':
				if (depth == 0)
					return i;
				depth--;
				break;
			case ',':
				if (depth == 0)
					return i;
				break;
			default:
				break;
		}
	return length;
}

WalletCode
array_split(const char *text, size_t length, Slice *slices, size_t slices_max, size_t *count)
{
	size_t i = skip_blanks(text, length, 0);

	assert(slices != NULL && slices_max > 0);
	*count = 0;
	if (i == length || text[i] != '[')
		return i < length && strchr("{\"-0123456789tfn", text[i]) ? CODE_NOT_AN_ARRAY
		                                                          : CODE_INVALID_JSON;
	i = skip_blanks(text, length, i + 1);
	if (i < length && text[i] == ']')
		return skip_blanks(text, length, i + 1) == length ? CODE_OK : CODE_INVALID_JSON;
	for (;;)
	{
		size_t end = element_end(text, length, i);
		size_t stop = end;

		if (end == length || end == i || text[end] == '}')
			return CODE_INVALID_JSON;
		while (is_blank(text[stop - 1]))
			stop--;
		if (*count < slices_max)
			slices[*count] = (Slice){text + i, stop - i};
		++*count;
		i = skip_blanks(text, length, end + 1);
		if (text[end] == ']')
			return i == length ? CODE_OK : CODE_INVALID_JSON;
	}
}
