/*
 * text.c
 *		Small readers of text.
 */
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS UINT64_C(0x0101010101010101)

/* Length of the well-formed sequence at text (RFC 3629, section 4), 0 when there is none. */
static size_t
utf8_sequence(const unsigned char *text, size_t left)
{
	unsigned char first = text[0];
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t length;

	if (first == 0)
		return 0;
	if (first < 0x80)
		return 1;
	length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	if (first < 0xC2 || first > 0xF4 || left < length)
		return 0;
	if (first == 0xE0)
		low = 0xA0;
	else if (first == 0xF0)
		low = 0x90;
	else if (first == 0xED)
		high = 0x9F;
	else if (first == 0xF4)
		high = 0x8F;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

bool
utf8_valid(const char *text, size_t length)
{
	size_t i = 0;

	assert(text != NULL || length == 0);
	while (i < length)
	{
		uint64_t word;
		size_t step;

		if (length - i >= sizeof(word))
		{
			memcpy(&word, text + i, sizeof(word));
			/* eight bytes of ASCII, none of them NUL */
			if (!((word | (word - LOW_BITS)) & HIGH_BITS))
			{
				i += sizeof(word);
				continue;
			}
		}
		step = utf8_sequence((const unsigned char *) text + i, length - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

size_t
percent_decode(const char *text, size_t length, char *out, size_t size)
{
	size_t count = 0;

	assert(text != NULL && out != NULL);
	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (c == '%')
		{
			if (length - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
				return DECODE_FAILED;
			c = (char) (hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return DECODE_FAILED;
		if (count < size)
			out[count] = c;
		count++;
	}
	return count;
}
