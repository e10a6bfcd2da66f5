/*
 * post_test.c
 *		The rules of posting on their own, without a server, as TAP.
 *
 * post.c is plain C, so its tests are literal tables: what goes in, what comes
 * out, refusals in the order in which the rules stand.
 */
#include "rules/post.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))

static int tests = 0;
static int failures = 0;

static void ok(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
ok(bool passed, const char *format, ...)
{
	va_list arguments;

	tests++;
	failures += passed ? 0 : 1;
	printf("%sok %d - ", passed ? "" : "not ", tests);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static void
ok_code(WalletCode got, WalletCode expected, const char *what)
{
	ok(got == expected, "%s: %s", what, wallet_codes[expected].name);
	if (got != expected)
		printf("# got %s\n", wallet_codes[got].name);
}

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

static void
test_names(void)
{
	RequestKind kind;
	WalletStatus status;

	for (int i = 0; i < KIND_COUNT; i++)
		ok(kind_from_name(kind_name(all_kinds[i]), &kind) && kind == all_kinds[i], "kind %s",
		   kind_name(all_kinds[i]));
	for (int i = 0; i < STATUS_COUNT; i++)
		ok(status_from_name(status_names[i], &status) && (int) status == i, "status %s",
		   status_names[i]);
	ok(!kind_is_known(0) && !kind_is_known(-1) && !kind_is_known((int) KIND_END) &&
	       kind_name((int) KIND_END) == NULL,
	   "no such number");
	ok(!kind_from_name("", &kind) && !kind_from_name("Wallet", &kind) &&
	       !kind_from_name("wallets", &kind),
	   "no such kind");
	ok(!status_from_name("", &status) && !status_from_name("blocked", &status), "no such status");
}

static const Currency usd = {.code = "usd", .minor_digits = 2, .outside_wallet_id = -840};
static const Currency eur = {.code = "eur", .minor_digits = 2, .outside_wallet_id = -978};

/* Wallets as the cases below name them: user 1 owns a wallet that may be as bad as a case wants. */
static Wallet
make_wallet(int64_t wallet_id, int64_t balance, WalletStatus status, const Currency *currency)
{
	return (Wallet){
	    .wallet_id = wallet_id,
	    .user_id = wallet_id,
	    .balance = balance,
	    .status = status,
	    .currency = *currency,
	};
}

static void
test_check_request(void)
{
	static const struct
	{
		const char *what;
		Request request;
		WalletCode code;
	} cases[] = {
	    {"wallet, nothing", {.kind = KIND_WALLET, .amount = {0, 0}}, CODE_OK},
	    {"wallet, some", {.kind = KIND_WALLET, .amount = {1, 0}}, CODE_OK},
	    {"wallet, negative", {.kind = KIND_WALLET, .amount = {-1, 2}}, CODE_AMOUNT_NEGATIVE},
	    {"transaction",
	     {.kind = KIND_TRANSACTION,
	      .source_wallet_id = 1,
	      .destination_wallet_id = 2,
	      .amount = {1, 0}},
	     CODE_OK},
	    {"transaction, nothing to itself",
	     {.kind = KIND_TRANSACTION, .source_wallet_id = 1, .destination_wallet_id = 1},
	     CODE_AMOUNT_NOT_POSITIVE},
	    {"transaction, to itself",
	     {.kind = KIND_TRANSACTION,
	      .source_wallet_id = 1,
	      .destination_wallet_id = 1,
	      .amount = {1, 0}},
	     CODE_SAME_WALLET},
	    {"deposit", {.kind = KIND_DEPOSIT, .destination_wallet_id = 1, .amount = {1, 8}}, CODE_OK},
	    {"deposit, nothing",
	     {.kind = KIND_DEPOSIT, .destination_wallet_id = 1},
	     CODE_AMOUNT_NOT_POSITIVE},
	    {"withdrawal, negative",
	     {.kind = KIND_WITHDRAWAL, .source_wallet_id = 1, .amount = {INT64_MIN, 0}},
	     CODE_AMOUNT_NOT_POSITIVE},
	    {"read", {.kind = KIND_WALLET_READ, .source_wallet_id = 1}, CODE_OK},
	    {"no kind", {.source_wallet_id = 1}, CODE_UNKNOWN_KIND},
	    {"a kind of another version", {.kind = (RequestKind) KIND_END}, CODE_UNKNOWN_KIND},
	};

	for (int i = 0; i < LENGTH(cases); i++)
		ok_code(check_request(&cases[i].request), cases[i].code, cases[i].what);
}

/* How a case differs from a transfer of 1.00 by its owner between two good wallets. */
typedef enum Flaw
{
	NO_AMOUNT = 1 << 0,
	SAME = 1 << 1,
	NO_SOURCE = 1 << 2,
	NO_DESTINATION = 1 << 3,
	STRANGER = 1 << 4,
	CLOSED = 1 << 5,
	FROZEN = 1 << 6,
	OTHER_CURRENCY = 1 << 7,
	DECIMALS = 1 << 8,
	LARGE = 1 << 9,
	POOR = 1 << 10,
	FULL = 1 << 11,
	FLAWS_END = 1 << 12
} Flaw;

static WalletCode
check_flawed(int flaws, int64_t *amount)
{
	Wallet source = make_wallet(1, flaws & POOR ? 99 : INT64_MAX,
	                            flaws & FROZEN ? STATUS_FROZEN : STATUS_ACTIVE, &usd);
	Wallet destination =
	    make_wallet(2, flaws & FULL ? INT64_MAX : 0, flaws & CLOSED ? STATUS_CLOSED : STATUS_ACTIVE,
	                flaws & OTHER_CURRENCY ? &eur : &usd);
	Request request = {
	    .kind = KIND_TRANSACTION,
	    .user_id = flaws & STRANGER ? 9 : 1,
	    .source_wallet_id = 1,
	    .destination_wallet_id = flaws & SAME ? 1 : 2,
	    .amount = {100, 2},
	};

	if (flaws & DECIMALS)
		request.amount = (Amount){1001, 3};
	if (flaws & NO_AMOUNT)
		request.amount.digits = 0;
	else if (flaws & LARGE)
		request.amount = (Amount){INT64_MAX, flaws & DECIMALS ? 3 : 0};
	return check_transfer(&request, flaws & NO_SOURCE ? NULL : &source,
	                      flaws & NO_DESTINATION ? NULL : &destination, amount);
}

/* Whatever is wrong together, the refusal is that of the flaw whose rule stands first. */
static void
test_precedence(void)
{
	static const WalletCode codes[] = {
	    CODE_AMOUNT_NOT_POSITIVE,   CODE_SAME_WALLET,        CODE_SOURCE_NOT_FOUND,
	    CODE_DESTINATION_NOT_FOUND, CODE_NOT_OWNER,          CODE_WALLET_CLOSED,
	    CODE_WALLET_FROZEN,         CODE_CURRENCY_MISMATCH,  CODE_AMOUNT_PRECISION,
	    CODE_AMOUNT_TOO_LARGE,      CODE_INSUFFICIENT_FUNDS, CODE_BALANCE_LIMIT,
	};
	int wrong[LENGTH(codes)] = {0};
	int64_t amount;

	for (int flaws = 1; flaws < FLAWS_END; flaws++)
	{
		int first = __builtin_ctz((unsigned int) flaws);

		if (check_flawed(flaws, &amount) != codes[first])
			wrong[first]++;
	}
	for (int i = 0; i < LENGTH(codes); i++)
	{
		ok(wrong[i] == 0, "before all that comes after it: %s", wallet_codes[codes[i]].name);
		ok(i == 0 || codes[i - 1] < codes[i], "in the order of codes.h: %s",
		   wallet_codes[codes[i]].name);
	}
	amount = 0;
	ok_code(check_flawed(0, &amount), CODE_OK, "without a flaw");
	ok(amount == 100, "the amount in minor units");
}

static void
test_check_transfer(void)
{
	Wallet outside = outside_wallet(&usd);
	Wallet own = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	Wallet full = make_wallet(1, INT64_MAX, STATUS_ACTIVE, &usd);
	Wallet frozen = make_wallet(1, 100, STATUS_FROZEN, &usd);
	Request deposit = {
	    .kind = KIND_DEPOSIT, .user_id = 1, .destination_wallet_id = 1, .amount = {100, 2}};
	Request withdrawal = {
	    .kind = KIND_WITHDRAWAL, .user_id = 1, .source_wallet_id = 1, .amount = {100, 2}};
	Request stranger = deposit;
	Request direct = withdrawal;
	int64_t amount;

	ok(outside.wallet_id == -840 && outside.user_id == 0 && outside.last_transfer_id == 0,
	   "the outside has the currency's wallet");
	ok_code(check_transfer(&deposit, &outside, &own, &amount), CODE_OK, "deposit");
	ok_code(check_transfer(&deposit, NULL, NULL, &amount), CODE_WALLET_NOT_FOUND, "deposit");
	ok_code(check_transfer(&deposit, &outside, &frozen, &amount), CODE_WALLET_FROZEN, "deposit");
	ok_code(check_transfer(&deposit, &outside, &full, &amount), CODE_BALANCE_LIMIT, "deposit");
	ok_code(check_transfer(&withdrawal, &own, &outside, &amount), CODE_OK, "withdrawal of all");
	ok_code(check_transfer(&withdrawal, NULL, NULL, &amount), CODE_WALLET_NOT_FOUND, "withdrawal");
	ok_code(check_transfer(&withdrawal, &frozen, &outside, &amount), CODE_WALLET_FROZEN,
	        "withdrawal");
	withdrawal.amount.digits = 101;
	ok_code(check_transfer(&withdrawal, &own, &outside, &amount), CODE_INSUFFICIENT_FUNDS,
	        "withdrawal of a cent more");
	stranger.user_id = 2;
	ok_code(check_transfer(&stranger, &outside, &own, &amount), CODE_NOT_OWNER,
	        "deposit by somebody else");
	direct.user_id = 0;
	ok_code(check_transfer(&direct, &own, &outside, &amount), CODE_OK,
	        "a direct call needs no owner");

	full.balance = INT64_MAX - 100;
	ok_code(check_transfer(&deposit, &outside, &full, &amount), CODE_OK, "up to the last unit");
	full.balance++;
	ok_code(check_transfer(&deposit, &outside, &full, &amount), CODE_BALANCE_LIMIT,
	        "and not one more");
}

static void
test_check_others(void)
{
	Request request = {.kind = KIND_WALLET, .user_id = 1, .amount = {-1, 3}};
	Request read = {.kind = KIND_WALLET_READ, .user_id = 1, .source_wallet_id = 1};
	Wallet wallet = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	int64_t amount = -1;

	ok_code(check_new_wallet(&request, true, NULL, &amount), CODE_AMOUNT_NEGATIVE, "new wallet");
	request.amount.digits = 1;
	ok_code(check_new_wallet(&request, true, NULL, &amount), CODE_UNKNOWN_CURRENCY, "new wallet");
	ok_code(check_new_wallet(&request, true, &usd, &amount), CODE_WALLET_EXISTS, "new wallet");
	ok_code(check_new_wallet(&request, false, &usd, &amount), CODE_AMOUNT_PRECISION, "new wallet");
	request.amount = (Amount){INT64_MAX, 0};
	ok_code(check_new_wallet(&request, false, &usd, &amount), CODE_AMOUNT_TOO_LARGE, "new wallet");
	request.amount = (Amount){5, 1};
	ok_code(check_new_wallet(&request, false, &usd, &amount), CODE_OK, "new wallet");
	ok(amount == 50, "its initial amount in minor units");

	ok_code(check_read(&read, NULL), CODE_WALLET_NOT_FOUND, "read");
	ok_code(check_read(&read, &wallet), CODE_OK, "read");
	read.user_id = 2;
	ok_code(check_read(&read, &wallet), CODE_NOT_OWNER, "read");

	ok_code(check_status(NULL, STATUS_FROZEN), CODE_WALLET_NOT_FOUND, "status");
	ok_code(check_status(&wallet, STATUS_FROZEN), CODE_OK, "active to frozen");
	ok_code(check_status(&wallet, STATUS_CLOSED), CODE_WALLET_NOT_EMPTY, "active to closed");
	wallet.balance = 0;
	ok_code(check_status(&wallet, STATUS_CLOSED), CODE_OK, "empty to closed");
	wallet.status = STATUS_CLOSED;
	ok_code(check_status(&wallet, STATUS_CLOSED), CODE_OK, "closed to closed");
	ok_code(check_status(&wallet, STATUS_ACTIVE), CODE_WALLET_CLOSED, "closed to active");
	ok_code(check_status(&wallet, STATUS_FROZEN), CODE_WALLET_CLOSED, "closed to frozen");
}

static void
test_post_transfer(void)
{
	Wallet source = make_wallet(1, 500, STATUS_ACTIVE, &usd);
	Wallet destination = make_wallet(2, 50, STATUS_ACTIVE, &usd);
	Wallet outside = outside_wallet(&usd);
	Request transaction = {.request_id = 77, .kind = KIND_TRANSACTION, .user_id = 1};
	Request first_deposit = {.request_id = 78, .kind = KIND_WALLET, .user_id = 2};
	Transfer transfer;

	source.last_transfer_id = 3;
	post_transfer(&transaction, 10, 200, 1000, &source, &destination, &transfer);
	ok(source.balance == 300 && destination.balance == 250, "the money has moved");
	ok(transfer.source_balance == 300 && transfer.destination_balance == 250,
	   "the transfer keeps both balances");
	ok(transfer.transfer_id == 10 && transfer.request_id == 77 &&
	       transfer.kind == KIND_TRANSACTION && transfer.amount == 200 &&
	       transfer.source_wallet_id == 1 && transfer.destination_wallet_id == 2 &&
	       transfer.posted_at == 1000,
	   "the transfer says what happened");
	ok(transfer.source_previous == 3 && transfer.destination_previous == 0,
	   "the transfer continues both chains");
	ok(source.last_transfer_id == 10 && destination.last_transfer_id == 10 &&
	       source.updated_at == 1000 && destination.updated_at == 1000,
	   "both wallets know their last transfer");

	post_transfer(&first_deposit, 11, 5, 1001, &outside, &destination, &transfer);
	ok(transfer.kind == KIND_DEPOSIT && transfer.source_wallet_id == -840,
	   "a new wallet's money is a deposit");
	ok(outside.balance == 0 && destination.balance == 255, "the outside has no balance");
	ok(transfer.destination_previous == 10, "the chain goes on");

	post_transfer(&transaction, 12, 1, 900, &source, &destination, &transfer);
	ok(transfer.posted_at == 1001 && source.updated_at == 1001 && destination.updated_at == 1001,
	   "a clock that has been set back takes no wallet back");
	ok(moment_of_write(1000, &source) == 1001 && moment_of_write(1002, &source) == 1002,
	   "a wallet is written now, or when it was written last");
}

/* The table of codes is what others build upon: each name and SQLSTATE once, in one class. */
static void
test_codes(void)
{
	bool unique = true;
	bool ours = true;

	for (int i = 1; i < CODE_COUNT; i++)
	{
		ours = ours && strlen(wallet_codes[i].sqlstate) == 5 &&
		       strncmp(wallet_codes[i].sqlstate, "PW", 2) == 0;
		for (int j = 0; j < i; j++)
			unique = unique && strcmp(wallet_codes[i].name, wallet_codes[j].name) != 0 &&
			         strcmp(wallet_codes[i].sqlstate, wallet_codes[j].sqlstate) != 0;
	}
	ok(unique, "each name and each SQLSTATE stands for one code");
	ok(ours, "each SQLSTATE is of the class PW");
	ok(strcmp(wallet_codes[CODE_OK].name, "processed") == 0, "what is well is processed");
}

int
main(void)
{
	test_amount_parse();
	test_id_parse();
	test_amount_to_minor();
	test_amount_format();
	test_amount_round_trip();
	test_names();
	test_check_request();
	test_precedence();
	test_check_transfer();
	test_check_others();
	test_post_transfer();
	test_codes();
	printf("1..%d\n", tests);
	return failures > 0;
}
