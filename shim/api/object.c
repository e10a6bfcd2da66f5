/*
 * object.c
 *		Reads JSON by its grammar (RFC 8259), without making anything of it.
 *
 * Each function that looks for an end takes where something begins, and returns
 * the place after it, or 0 when it is not what it must be: nothing ends at 0.
 */
#include "api/object.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

static size_t
skip_blanks(const char *text, size_t length, size_t i)
{
	while (i < length && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
		i++;
	return i;
}

/* The four hexadecimal digits at i as a number; -1 when they are none. */
static int
code_unit(const char *text, size_t length, size_t i)
{
	int unit = 0;

	if (length - i < 4)
		return -1;
	for (size_t digit = i; digit < i + 4; digit++)
	{
		if (hex_value(text[digit]) < 0)
			return -1;
		unit = unit << 4 | hex_value(text[digit]);
	}
	return unit;
}

/* Of an escape: i is behind its backslash. */
static size_t
escape_end(const char *text, size_t length, size_t i)
{
	int unit;

	if (i == length || text[i] == '\0' || strchr("\"\\/bfnrtu", text[i]) == NULL)
		return 0;
	if (text[i++] != 'u')
		return i;
	unit = code_unit(text, length, i);
	if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
		return 0;
	i += 4;
	if (unit < 0xD800 || unit > 0xDBFF)
		return i;
	if (length - i < 6 || text[i] != '\\' || text[i + 1] != 'u')
		return 0;
	unit = code_unit(text, length, i + 2);
	return unit >= 0xDC00 && unit <= 0xDFFF ? i + 6 : 0;
}

/* Of a string: i is at its opening quote. */
static size_t
string_end(const char *text, size_t length, size_t i)
{
	assert(i < length && text[i] == '"');
	for (i++; i < length && text[i] != '"';)
	{
		if ((unsigned char) text[i] < ' ')
			return 0;
		i = text[i] == '\\' ? escape_end(text, length, i + 1) : i + 1;
		if (i == 0)
			return 0;
	}
	return i < length ? i + 1 : 0;
}

static size_t
digits_end(const char *text, size_t length, size_t i)
{
	size_t from = i;

	while (i < length && text[i] >= '0' && text[i] <= '9')
		i++;
	return i > from ? i : 0;
}

static size_t
number_end(const char *text, size_t length, size_t i)
{
	size_t from = text[i] == '-' ? i + 1 : i;
	size_t end = digits_end(text, length, from);

	if (end == 0 || (text[from] == '0' && end > from + 1))
		return 0;
	if (end < length && text[end] == '.')
		end = digits_end(text, length, end + 1);
	if (end != 0 && end < length && (text[end] == 'e' || text[end] == 'E'))
	{
		end++;
		if (end < length && (text[end] == '+' || text[end] == '-'))
			end++;
		end = digits_end(text, length, end);
	}
	return end;
}

/* The end of a string, a number, true, false or null. */
static size_t
scalar_end(const char *text, size_t length, size_t i)
{
	static const char *const words[] = {"true", "false", "null"};

	assert(i <= length);
	if (i == length)
		return 0;
	if (text[i] == '"')
		return string_end(text, length, i);
	for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++)
	{
		size_t size = strlen(words[word]);

		if (length - i >= size && memcmp(text + i, words[word], size) == 0)
			return i + size;
	}
	return number_end(text, length, i);
}

/* A member's name and its colon, and the blanks around them: where its value begins. */
static size_t
name_end(const char *text, size_t length, size_t i)
{
	i = skip_blanks(text, length, i);
	if (i == length || text[i] != '"')
		return 0;
	i = string_end(text, length, i);
	if (i == 0)
		return 0;
	i = skip_blanks(text, length, i);
	return i < length && text[i] == ':' ? skip_blanks(text, length, i + 1) : 0;
}

/* The objects and arrays that are open, by the brackets that close them. */
typedef struct Open
{
	size_t depth;
	char closing[OBJECT_DEPTH_MAX];
} Open;

/*
 * Closes the objects and arrays that end after a value at i.  Returns where the next value
 * begins, or the end of the text's value when nothing is open any more.
 */
static size_t
next_value(Open *open, const char *text, size_t length, size_t i)
{
	while (open->depth > 0)
	{
		char closing = open->closing[open->depth - 1];

		i = skip_blanks(text, length, i);
		if (i == length || (text[i] != closing && text[i] != ','))
			return 0;
		if (text[i++] == ',')
			return closing == '}' ? name_end(text, length, i) : skip_blanks(text, length, i);
		open->depth--;
	}
	return i;
}

static size_t
value_end(const char *text, size_t length, size_t i)
{
	Open open;

	open.depth = 0;
	do
	{
		bool is_object = i < length && text[i] == '{';

		if (is_object || (i < length && text[i] == '['))
		{
			size_t first = skip_blanks(text, length, i + 1);
			char closing = is_object ? '}' : ']';

			if (open.depth == OBJECT_DEPTH_MAX)
				return 0;
			open.closing[open.depth++] = closing;
			if (first < length && text[first] == closing)
				i = next_value(&open, text, length, first);
			else
				i = is_object ? name_end(text, length, first) : first;
			continue;
		}
		i = scalar_end(text, length, i);
		if (i != 0)
			i = next_value(&open, text, length, i);
	} while (i != 0 && open.depth > 0);
	return i;
}

WalletCode
object_walk(ObjectWalk *walk, const char *text, size_t length)
{
	size_t from = skip_blanks(text, length, 0);
	size_t end = value_end(text, length, from);

	if (end == 0 || skip_blanks(text, length, end) != length || !utf8_valid(text, length))
		return CODE_INVALID_JSON;
	if (text[from] != '{')
		return CODE_NOT_AN_OBJECT;
	*walk = (ObjectWalk){text, length, from};
	return CODE_OK;
}

bool
object_next(ObjectWalk *walk, ObjectMember *member)
{
	const char *text = walk->text;
	size_t name = skip_blanks(text, walk->length, walk->at + 1);
	size_t value;
	size_t end;

	if (text[walk->at] == '}' || text[name] == '}')
		return false;
	end = string_end(text, walk->length, name);
	member->name = (Slice){text + name + 1, end - name - 2};
	value = name_end(text, walk->length, name);
	end = value_end(text, walk->length, value);
	member->value = (Slice){text + value, end - value};
	walk->at = skip_blanks(text, walk->length, end);
	assert(walk->at < walk->length && (text[walk->at] == ',' || text[walk->at] == '}'));
	return true;
}
