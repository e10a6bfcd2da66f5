/*
 * number.c
 *		Amounts and ids between their text and integers.
 */
#include "rules/number.h"

#include <stdio.h>

/* A plain decimal number, as pieces of its text. */
typedef struct Parts
{
	bool negative;
	const char *whole;
	size_t whole_count;
	const char *decimals;
	size_t decimal_count; /* without zeros at the end */
} Parts;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of the run of digits at text[from]. */
static size_t
count_digits(const char *text, size_t length, size_t from)
{
	size_t end = from;

	while (end < length && is_digit(text[end]))
		end++;
	return end - from;
}

/* Append the digits to *value, which is kept negative so that the smallest number fits too. */
static bool
append_digits(const char *digits, size_t count, int64_t *value)
{
	for (size_t i = 0; i < count; i++)
	{
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_sub_overflow(*value, digits[i] - '0', value))
			return false;
	}
	return true;
}

/* Find the parts of -?(0|[1-9][0-9]*)(\.[0-9]+)?; false where the text is anything else. */
static bool
split(const char *text, size_t length, Parts *parts)
{
	size_t whole_at = length > 0 && text[0] == '-' ? 1 : 0;
	size_t whole = count_digits(text, length, whole_at);
	size_t end = whole_at + whole;
	size_t decimals = 0;

	if (whole == 0 || (whole > 1 && text[whole_at] == '0'))
		return false;
	*parts = (Parts){.negative = whole_at == 1, .whole = text + whole_at, .whole_count = whole};
	if (end < length && text[end] == '.')
	{
		parts->decimals = text + end + 1;
		decimals = count_digits(text, length, end + 1);
		if (decimals == 0)
			return false;
		end += 1 + decimals;
	}
	while (decimals > 0 && parts->decimals[decimals - 1] == '0')
		decimals--;
	parts->decimal_count = decimals;
	return end == length;
}

WalletCode
amount_parse(const char *text, size_t length, Amount *amount)
{
	Parts parts;
	int64_t value = 0;

	if (!split(text, length, &parts))
		return CODE_INVALID_AMOUNT;
	if (parts.decimal_count > MINOR_DIGITS_MAX)
		return CODE_AMOUNT_PRECISION;
	if (!append_digits(parts.whole, parts.whole_count, &value) ||
	    !append_digits(parts.decimals, parts.decimal_count, &value) ||
	    (!parts.negative && __builtin_sub_overflow((int64_t) 0, value, &value)))
		return CODE_AMOUNT_TOO_LARGE;
	amount->digits = value;
	amount->scale = (int) parts.decimal_count;
	return CODE_OK;
}

WalletCode
amount_to_minor(Amount amount, int minor_digits, int64_t *minor)
{
	int scale = amount.scale;

	*minor = amount.digits;
	for (; scale > minor_digits && *minor % 10 == 0; scale--)
		*minor /= 10;
	if (scale > minor_digits)
		return CODE_AMOUNT_PRECISION;
	for (; scale < minor_digits; scale++)
	{
		if (__builtin_mul_overflow(*minor, 10, minor))
			return CODE_AMOUNT_TOO_LARGE;
	}
	return CODE_OK;
}

void
amount_format(int64_t minor, int minor_digits, char *buffer)
{
	uint64_t magnitude = minor < 0 ? 0 - (uint64_t) minor : (uint64_t) minor;
	uint64_t unit = 1;
	int length;

	for (int i = 0; i < minor_digits; i++)
		unit *= 10;
	length = snprintf(buffer, AMOUNT_TEXT_SIZE, "%s%llu.%0*llu", minor < 0 ? "-" : "",
	                  (unsigned long long) (magnitude / unit), minor_digits > 0 ? minor_digits : 1,
	                  (unsigned long long) (magnitude % unit));
	while (buffer[length - 1] == '0' && buffer[length - 2] != '.')
		buffer[--length] = '\0';
}

const char *const id_wrong_type =
    "must be a whole number from 1 to 9223372036854775807, in plain digits, or the same in a "
    "string";

WalletCode
id_parse(const char *text, size_t length, int64_t *id, const char **wrong)
{
	Parts parts;
	int64_t value = 0;

	if (!split(text, length, &parts) || parts.decimal_count > 0)
	{
		*wrong = id_wrong_type;
		return CODE_WRONG_TYPE;
	}
	if (length > ID_LENGTH_MAX)
	{
		*wrong = "must be from 1 to 9223372036854775807, and have at most 64 characters";
		return CODE_ID_OUT_OF_RANGE;
	}
	if (!append_digits(parts.whole, parts.whole_count, &value) || parts.negative || value == 0 ||
	    __builtin_sub_overflow((int64_t) 0, value, id))
	{
		*wrong = "must be from 1 to 9223372036854775807";
		return CODE_ID_OUT_OF_RANGE;
	}
	return CODE_OK;
}
