/*
 * amount.c
 *		Fuzzes the reading and writing of amounts, and the reading of ids, against
 *		an evaluation that knows nothing of number.c: a regular expression and
 *		decimal digits as text.
 */
#include "rules/operation.h"

#include <regex.h>

#include "fuzz.h"

#define TEXT_MAX 256

/* What a text means: its sign, and its digits without zeros in front, "0" for zero. */
typedef struct Decimal
{
	bool negative;
	char digits[TEXT_MAX + MINOR_DIGITS_MAX + 1];
} Decimal;

static bool
is_plain_number(const char *text)
{
	static regex_t plain;
	static bool compiled = false;

	if (!compiled)
		compiled =
		    regcomp(&plain, "^-?(0|[1-9][0-9]*)([.][0-9]+)?$", REG_EXTENDED | REG_NOSUB) == 0;
	return regexec(&plain, text, 0, NULL, 0) == 0;
}

/* Cuts the zeros off that stand at the end of the decimals, and the point where no decimal is left.
 */
static void
trim(char *text)
{
	size_t length = strlen(text);

	if (strchr(text, '.') == NULL)
		return;
	while (text[length - 1] == '0')
		text[--length] = '\0';
	if (text[length - 1] == '.')
		text[--length] = '\0';
}

/* The digits of the text with the point moved to the right and zeros put where there are none. */
static Decimal
shifted(const char *text, int places)
{
	Decimal decimal = {.negative = text[0] == '-'};
	const char *point = strchr(text, '.');
	int missing = places - (point ? (int) strlen(point + 1) : 0);
	int length = 0;

	for (const char *c = text; *c != '\0'; c++)
		if (*c != '-' && *c != '.' && (length > 0 || *c != '0'))
			decimal.digits[length++] = *c;
	for (; length > 0 && missing > 0; missing--)
		decimal.digits[length++] = '0';
	if (length == 0)
		decimal.digits[length++] = '0';
	decimal.digits[length] = '\0';
	return decimal;
}

static bool
fits(const Decimal *decimal)
{
	const char *limit = decimal->negative ? "9223372036854775808" : "9223372036854775807";
	size_t length = strlen(decimal->digits);

	return length < strlen(limit) ||
	       (length == strlen(limit) && strcmp(decimal->digits, limit) <= 0);
}

static bool
is_same(const Decimal *decimal, int64_t value)
{
	char text[32];
	bool negative = decimal->negative && strcmp(decimal->digits, "0") != 0;

	snprintf(text, sizeof(text), "%lld", (long long) value);
	return (text[0] == '-') == negative && strcmp(text + negative, decimal->digits) == 0;
}

/* Written with at least one digit after the point and no zero more, and read as the same. */
static void
check_format(int64_t minor, int minor_digits)
{
	char text[AMOUNT_TEXT_SIZE];
	const char *point;
	size_t length;
	Amount amount;
	int64_t again;
	Decimal decimal;

	memset(text, '#', sizeof(text));
	amount_format(minor, minor_digits, text);
	EXPECT(memchr(text, '\0', sizeof(text)) != NULL && is_plain_number(text), "%lld with %d",
	       (long long) minor, minor_digits);
	length = strlen(text);
	point = strchr(text, '.');
	EXPECT(point != NULL && (text[length - 1] != '0' || point[2] == '\0'), "written as %s", text);
	EXPECT(minor_digits > 0 || strcmp(point, ".0") == 0, "written as %s", text);
	EXPECT(amount_parse(text, length, &amount) == CODE_OK &&
	           amount_to_minor(amount, minor_digits, &again) == CODE_OK && again == minor,
	       "%lld written as %s is not read as the same", (long long) minor, text);
	trim(text);
	decimal = shifted(text, minor_digits);
	EXPECT(is_same(&decimal, minor), "%lld written as %s", (long long) minor, text);
}

static void
check_minor(const char *text, Amount amount, int decimals)
{
	for (int minor_digits = 0; minor_digits <= MINOR_DIGITS_MAX; minor_digits++)
	{
		Decimal decimal = shifted(text, minor_digits);
		WalletCode expected = decimals > minor_digits ? CODE_AMOUNT_PRECISION
		                      : fits(&decimal)        ? CODE_OK
		                                              : CODE_AMOUNT_TOO_LARGE;
		int64_t minor;
		WalletCode code = amount_to_minor(amount, minor_digits, &minor);

		EXPECT(code == expected, "%s with %d decimals: %s, not %s", text, minor_digits,
		       wallet_codes[code].name, wallet_codes[expected].name);
		if (code != CODE_OK)
			continue;
		EXPECT(is_same(&decimal, minor), "%s is not %lld", text, (long long) minor);
		check_format(minor, minor_digits);
	}
}

/* A whole number above zero, written so or with decimals that are zeros, is an id. */
static void
check_id(const char *text, size_t size, bool is_plain, const char *trimmed)
{
	Decimal whole = shifted(trimmed, 0);
	bool is_whole = is_plain && strchr(trimmed, '.') == NULL;
	const char *wrong = NULL;
	int64_t id = 0;
	WalletCode code = id_parse(text, size, &id, &wrong);
	WalletCode expected = CODE_OK;

	if (!is_whole)
		expected = CODE_WRONG_TYPE;
	else if (size > ID_LENGTH_MAX || whole.negative || whole.digits[0] == '0' || !fits(&whole))
		expected = CODE_ID_OUT_OF_RANGE;
	EXPECT(code == expected, "id %s: %s, not %s", trimmed, wallet_codes[code].name,
	       wallet_codes[expected].name);
	EXPECT((code == CODE_OK) == (wrong == NULL), "id %s: \"%s\"", trimmed, wrong);
	EXPECT(code != CODE_OK || (id > 0 && is_same(&whole, id)), "id %s is not %lld", trimmed,
	       (long long) id);
}

static void
check_text(const char *data, size_t size)
{
	char text[TEXT_MAX + 1];
	const char *point;
	int decimals;
	bool is_plain;
	Decimal whole;
	Amount amount = {0};
	WalletCode code = amount_parse(data, size, &amount);
	WalletCode expected = CODE_OK;

	memcpy(text, data, size);
	text[size] = '\0';
	is_plain = strlen(text) == size && is_plain_number(text);
	if (is_plain)
		trim(text);
	point = strchr(text, '.');
	decimals = point ? (int) strlen(point + 1) : 0;
	whole = shifted(text, 0);
	if (!is_plain)
		expected = CODE_INVALID_AMOUNT;
	else if (decimals > MINOR_DIGITS_MAX)
		expected = CODE_AMOUNT_PRECISION;
	else if (!fits(&whole))
		expected = CODE_AMOUNT_TOO_LARGE;
	EXPECT(code == expected, "%s: %s, not %s", text, wallet_codes[code].name,
	       wallet_codes[expected].name);
	check_id(data, size, is_plain, text);
	if (code != CODE_OK)
		return;
	EXPECT(is_same(&whole, amount.digits) && amount.scale == decimals, "%s is not %lld / 10^%d",
	       text, (long long) amount.digits, amount.scale);
	check_minor(text, amount, decimals);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	int64_t minor = take_int64(&input);

	if (size <= TEXT_MAX)
		check_text((const char *) data, size);
	check_format(minor, take_below(&input, MINOR_DIGITS_MAX + 1));
	return 0;
}
