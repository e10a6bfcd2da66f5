/*
 * number_test.c
 *		How amounts and ids are read and written, without a server, as TAP.
 */
#include <inttypes.h>
#include <string.h>

#include "rules/number.h"

#include "check.h"

static void
test_amount_parse(void)
{
	static const struct
	{
		const char *text;
		WalletCode code;
		int64_t digits;
		int scale;
	} cases[] = {
	    {"0", CODE_OK, 0, 0},
	    {"-0", CODE_OK, 0, 0},
	    {"0.0", CODE_OK, 0, 0},
	    {"7", CODE_OK, 7, 0},
	    {"10", CODE_OK, 10, 0},
	    {"-7", CODE_OK, -7, 0},
	    {"777.88", CODE_OK, 77788, 2},
	    {"-777.88", CODE_OK, -77788, 2},
	    {"10.50", CODE_OK, 105, 1},
	    {"10.05", CODE_OK, 1005, 2},
	    /* zeros at the end say nothing, however many there are */
	    {"100.0", CODE_OK, 100, 0},
	    {"1.100", CODE_OK, 11, 1},
	    {"-1.100", CODE_OK, -11, 1},
	    {"0.000000000", CODE_OK, 0, 0},
	    {"1.000000000", CODE_OK, 1, 0},
	    {"1.1000000000000000000000000000000000", CODE_OK, 11, 1},
	    {"0.000000010", CODE_OK, 1, 8},
	    {"9223372036854775807.0", CODE_OK, INT64_MAX, 0},
	    {"9223372036854775800.00", CODE_OK, 9223372036854775800, 0},
	    {"-9223372036854775808.000000000", CODE_OK, INT64_MIN, 0},
	    {"9223372036854775808.0", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"0.00000001", CODE_OK, 1, 8},
	    {"9223372036854775807", CODE_OK, INT64_MAX, 0},
	    {"-9223372036854775808", CODE_OK, INT64_MIN, 0},
	    {"92233720368547758.07", CODE_OK, INT64_MAX, 2},
	    {"92233720368.54775807", CODE_OK, INT64_MAX, 8},
	    {"-92233720368547758.08", CODE_OK, INT64_MIN, 2},
	    {"9223372036854775808", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"-9223372036854775809", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"92233720368547758.08", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"-92233720368547758.09", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"9223372036854775800.1", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"18446744073709551617", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"99999999999999999999999999999999999999999", CODE_AMOUNT_TOO_LARGE, 0, 0},
	    {"0.000000001", CODE_AMOUNT_PRECISION, 0, 0},
	    {"1.000000001", CODE_AMOUNT_PRECISION, 0, 0},
	    {"0.0000000010", CODE_AMOUNT_PRECISION, 0, 0},
	    {"777.8800000000000000001", CODE_AMOUNT_PRECISION, 0, 0},
	    /* the decimals are counted before the size is looked at */
	    {"99999999999999999999.000000001", CODE_AMOUNT_PRECISION, 0, 0},
	    {"", CODE_INVALID_AMOUNT, 0, 0},
	    {"-", CODE_INVALID_AMOUNT, 0, 0},
	    {"+1", CODE_INVALID_AMOUNT, 0, 0},
	    {"--1", CODE_INVALID_AMOUNT, 0, 0},
	    {"01", CODE_INVALID_AMOUNT, 0, 0},
	    {"-01", CODE_INVALID_AMOUNT, 0, 0},
	    {"00", CODE_INVALID_AMOUNT, 0, 0},
	    {"1.", CODE_INVALID_AMOUNT, 0, 0},
	    {".5", CODE_INVALID_AMOUNT, 0, 0},
	    {"-.5", CODE_INVALID_AMOUNT, 0, 0},
	    {".", CODE_INVALID_AMOUNT, 0, 0},
	    {"1.2.3", CODE_INVALID_AMOUNT, 0, 0},
	    {"1.-2", CODE_INVALID_AMOUNT, 0, 0},
	    {"1e2", CODE_INVALID_AMOUNT, 0, 0},
	    {"1E2", CODE_INVALID_AMOUNT, 0, 0},
	    {"1.5e0", CODE_INVALID_AMOUNT, 0, 0},
	    {"1,5", CODE_INVALID_AMOUNT, 0, 0},
	    {"1 000", CODE_INVALID_AMOUNT, 0, 0},
	    {"1_000", CODE_INVALID_AMOUNT, 0, 0},
	    {" 1", CODE_INVALID_AMOUNT, 0, 0},
	    {"1 ", CODE_INVALID_AMOUNT, 0, 0},
	    {"1\n", CODE_INVALID_AMOUNT, 0, 0},
	    {"0x10", CODE_INVALID_AMOUNT, 0, 0},
	    {"NaN", CODE_INVALID_AMOUNT, 0, 0},
	    {"Infinity", CODE_INVALID_AMOUNT, 0, 0},
	    {"-inf", CODE_INVALID_AMOUNT, 0, 0},
	    {"\xef\xbc\x91", CODE_INVALID_AMOUNT, 0, 0},
	    /* also where a text that is too large goes on */
	    {"99999999999999999999x", CODE_INVALID_AMOUNT, 0, 0},
	};
	Amount amount;

	for (int i = 0; i < LENGTH(cases); i++)
	{
		WalletCode code;

		amount = (Amount){.digits = -1, .scale = -1};
		code = amount_parse(cases[i].text, strlen(cases[i].text), &amount);
		ok(code == cases[i].code && (code != CODE_OK || (amount.digits == cases[i].digits &&
		                                                 amount.scale == cases[i].scale)),
		   "parse \"%.*s\": %s", (int) strcspn(cases[i].text, "\n"), cases[i].text,
		   wallet_codes[cases[i].code].name);
	}
	/* The text need not end where the amount does. */
	ok_code(amount_parse("12.345", 4, &amount), CODE_OK, "parse four characters");
	ok(amount.digits == 123 && amount.scale == 1, "no more than that is read");
	ok_code(amount_parse("1\0002", 3, &amount), CODE_INVALID_AMOUNT, "parse past a null byte");
}

static void
test_id_parse(void)
{
	static const struct
	{
		const char *text;
		WalletCode code;
		int64_t id;
	} cases[] = {
	    {"1", CODE_OK, 1},
	    {"62", CODE_OK, 62},
	    {"62.0", CODE_OK, 62},
	    {"62.00", CODE_OK, 62},
	    {"9007199254740993", CODE_OK, 9007199254740993},
	    {"9007199254740993.0", CODE_OK, 9007199254740993},
	    {"9223372036854775807", CODE_OK, INT64_MAX},
	    {"9223372036854775807.000000000", CODE_OK, INT64_MAX},
	    {"0", CODE_ID_OUT_OF_RANGE, 0},
	    {"-0", CODE_ID_OUT_OF_RANGE, 0},
	    {"0.0", CODE_ID_OUT_OF_RANGE, 0},
	    {"-1", CODE_ID_OUT_OF_RANGE, 0},
	    {"-1.0", CODE_ID_OUT_OF_RANGE, 0},
	    {"9223372036854775808", CODE_ID_OUT_OF_RANGE, 0},
	    {"9223372036854775808.0", CODE_ID_OUT_OF_RANGE, 0},
	    {"-9223372036854775808", CODE_ID_OUT_OF_RANGE, 0},
	    {"-9223372036854775809", CODE_ID_OUT_OF_RANGE, 0},
	    {"18446744073709551617", CODE_ID_OUT_OF_RANGE, 0},
	    /* 64 characters, and 65 */
	    {"1.00000000000000000000000000000000000000000000000000000000000000", CODE_OK, 1},
	    {"1.000000000000000000000000000000000000000000000000000000000000000", CODE_ID_OUT_OF_RANGE,
	     0},
	    {"1.5", CODE_WRONG_TYPE, 0},
	    {"1.000000000000000001", CODE_WRONG_TYPE, 0},
	    {"-1.5", CODE_WRONG_TYPE, 0},
	    {"6.2e1", CODE_WRONG_TYPE, 0},
	    {"62e0", CODE_WRONG_TYPE, 0},
	    {"1.", CODE_WRONG_TYPE, 0},
	    {"01", CODE_WRONG_TYPE, 0},
	    {"+1", CODE_WRONG_TYPE, 0},
	    {" 1", CODE_WRONG_TYPE, 0},
	    {"1 ", CODE_WRONG_TYPE, 0},
	    {"", CODE_WRONG_TYPE, 0},
	    {"-", CODE_WRONG_TYPE, 0},
	    {"1x", CODE_WRONG_TYPE, 0},
	    {"0x1", CODE_WRONG_TYPE, 0},
	    {"\xef\xbc\x91", CODE_WRONG_TYPE, 0},
	};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		const char *wrong = "";
		int64_t id = 0;
		WalletCode code = id_parse(cases[i].text, strlen(cases[i].text), &id, &wrong);

		ok(code == cases[i].code && (code != CODE_OK || id == cases[i].id) &&
		       (code == CODE_OK) == (strstr(wrong, "from 1 to 9223372036854775807") == NULL),
		   "id \"%s\": %s", cases[i].text, wallet_codes[cases[i].code].name);
	}
}

static void
test_amount_to_minor(void)
{
	static const struct
	{
		Amount amount;
		int minor_digits;
		WalletCode code;
		int64_t minor;
	} cases[] = {
	    {{0, 0}, 2, CODE_OK, 0},
	    {{1, 0}, 2, CODE_OK, 100},
	    {{15, 1}, 2, CODE_OK, 150},
	    {{77788, 2}, 2, CODE_OK, 77788},
	    {{-77788, 2}, 2, CODE_OK, -77788},
	    {{7, 0}, 0, CODE_OK, 7},
	    {{1, 3}, 3, CODE_OK, 1},
	    {{1, 0}, 8, CODE_OK, 100000000},
	    {{INT64_MAX, 2}, 2, CODE_OK, INT64_MAX},
	    {{INT64_MIN, 0}, 0, CODE_OK, INT64_MIN},
	    {{92233720368547758, 0}, 2, CODE_OK, 9223372036854775800},
	    {{922337203685477580, 1}, 2, CODE_OK, 9223372036854775800},
	    {{92233720368547759, 0}, 2, CODE_AMOUNT_TOO_LARGE, 0},
	    {{922337203685477581, 1}, 2, CODE_AMOUNT_TOO_LARGE, 0},
	    {{INT64_MAX, 0}, 1, CODE_AMOUNT_TOO_LARGE, 0},
	    {{INT64_MIN, 0}, 2, CODE_AMOUNT_TOO_LARGE, 0},
	    {{INT64_MAX, 0}, 8, CODE_AMOUNT_TOO_LARGE, 0},
	    {{1, 3}, 2, CODE_AMOUNT_PRECISION, 0},
	    /* zeros at the end say nothing */
	    {{10, 1}, 0, CODE_OK, 1},
	    {{0, 1}, 0, CODE_OK, 0},
	    {{-1500, 3}, 2, CODE_OK, -150},
	    {{1000, 8}, 2, CODE_AMOUNT_PRECISION, 0},
	    {{11, 1}, 0, CODE_AMOUNT_PRECISION, 0},
	    {{INT64_MAX, 3}, 2, CODE_AMOUNT_PRECISION, 0},
	};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		int64_t minor = 0;
		WalletCode code = amount_to_minor(cases[i].amount, cases[i].minor_digits, &minor);

		ok(code == cases[i].code && (code != CODE_OK || minor == cases[i].minor),
		   "%lld / 10^%d with %d decimals: %s", (long long) cases[i].amount.digits,
		   cases[i].amount.scale, cases[i].minor_digits, wallet_codes[cases[i].code].name);
	}
}

static void
test_amount_format(void)
{
	static const struct
	{
		int64_t minor;
		int minor_digits;
		const char *text;
	} cases[] = {
	    {0, 0, "0.0"},
	    {0, 2, "0.0"},
	    {0, 8, "0.0"},
	    {1, 2, "0.01"},
	    {10, 2, "0.1"},
	    {50, 2, "0.5"},
	    {100, 2, "1.0"},
	    {101, 2, "1.01"},
	    {77788, 2, "777.88"},
	    {710000, 2, "7100.0"},
	    {632212, 2, "6322.12"},
	    {-1, 2, "-0.01"},
	    {-10, 2, "-0.1"},
	    {-710000, 2, "-7100.0"},
	    {7, 0, "7.0"},
	    {700, 0, "700.0"},
	    {1, 3, "0.001"},
	    {1010, 3, "1.01"},
	    {1, 8, "0.00000001"},
	    {INT64_MAX, 0, "9223372036854775807.0"},
	    {INT64_MAX, 2, "92233720368547758.07"},
	    {INT64_MAX, 8, "92233720368.54775807"},
	    {INT64_MIN, 0, "-9223372036854775808.0"},
	    {INT64_MIN, 2, "-92233720368547758.08"},
	    {INT64_MIN, 8, "-92233720368.54775808"},
	};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		char buffer[AMOUNT_TEXT_SIZE];

		memset(buffer, '#', sizeof(buffer));
		amount_format(cases[i].minor, cases[i].minor_digits, buffer);
		ok(strcmp(buffer, cases[i].text) == 0, "%lld with %d decimals: %s",
		   (long long) cases[i].minor, cases[i].minor_digits, cases[i].text);
	}
}

/* What is written is read back as the same, in every currency. */
static void
test_amount_round_trip(void)
{
	static const int64_t minors[] = {0, 1, 9, 10, 99, 100, 101, 12345678901, INT64_MAX};

	for (int digits = 0; digits <= MINOR_DIGITS_MAX; digits++)
	{
		bool same = true;

		for (int i = 0; i < LENGTH(minors); i++)
		{
			char buffer[AMOUNT_TEXT_SIZE];
			Amount amount;
			int64_t minor = -1;
			size_t length;

			amount_format(minors[i], digits, buffer);
			length = strlen(buffer);
			same = same && amount_parse(buffer, length, &amount) == CODE_OK &&
			       amount_to_minor(amount, digits, &minor) == CODE_OK && minor == minors[i];
		}
		ok(same, "written and read with %d decimals", digits);
	}
}

int
main(void)
{
	test_amount_parse();
	test_id_parse();
	test_amount_to_minor();
	test_amount_format();
	test_amount_round_trip();
	return all_checked();
}
