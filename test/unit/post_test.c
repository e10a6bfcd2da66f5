/*
 * post_test.c
 *		The rules of posting on their own, without a server, as TAP.
 *
 * Here is what a scenario (test/README.md) cannot say: how numbers are read and written, what
 * stands in a transfer and an outcome, what is marked as changed, and what is taken back.
 */
#include "rules/rules.h"
#include "rules/wallet.h"

#include "bank.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static bool
find_currency(const char *code, Currency *currency)
{
	if (strcmp(code, usd.code) != 0)
		return false;
	*currency = usd;
	return true;
}

/* Wallets as the cases below name them: user 1 owns wallet 1. */
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

static TestBank bank;

/* What becomes of one operation in a bank of these wallets. */
static WalletCode
judge(const Operation *operation, const Wallet *wallets, int count)
{
	bank_open(&bank, operation, 1, wallets, count, find_currency);
	return rules_judge(operation, &bank.set, &bank.effects);
}

/* A row of another version, or one that an owner has written, has a kind that no rule knows. */
static void
test_unknown_kind(void)
{
	Operation none = {.source_wallet_id = 1};
	Operation unknown = {.request_id = 7, .kind = (RequestKind) KIND_END};

	ok_code(operation_check(&none), CODE_UNKNOWN_KIND, "no kind");
	ok_code(operation_check(&unknown), CODE_UNKNOWN_KIND, "a kind of another version");
	ok_code(judge(&unknown, NULL, 0), CODE_UNKNOWN_KIND, "a kind without a rule");
	ok(bank.effects.outcome_count == 1, "is refused");
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
judge_flawed(int flaws)
{
	Wallet source = make_wallet(1, flaws & POOR ? 99 : INT64_MAX,
	                            flaws & FROZEN ? STATUS_FROZEN : STATUS_ACTIVE, &usd);
	Wallet destination =
	    make_wallet(2, flaws & FULL ? INT64_MAX : 0, flaws & CLOSED ? STATUS_CLOSED : STATUS_ACTIVE,
	                flaws & OTHER_CURRENCY ? &eur : &usd);
	Wallet wallets[2];
	int count = 0;
	Operation operation = {
	    .request_id = 7,
	    .kind = KIND_TRANSACTION,
	    .user_id = flaws & STRANGER ? 9 : 1,
	    .source_wallet_id = 1,
	    .destination_wallet_id = flaws & SAME ? 1 : 2,
	    .amount = {100, 2},
	};

	if (!(flaws & NO_SOURCE))
		wallets[count++] = source;
	if (!(flaws & NO_DESTINATION))
		wallets[count++] = destination;
	if (flaws & DECIMALS)
		operation.amount = (Amount){1001, 3};
	if (flaws & NO_AMOUNT)
		operation.amount.digits = 0;
	else if (flaws & LARGE)
		operation.amount = (Amount){INT64_MAX, flaws & DECIMALS ? 3 : 0};
	return judge(&operation, wallets, count);
}

/* Has the operation that was judged last done nothing but give its code as an outcome? */
static bool
is_refused_cleanly(WalletCode code)
{
	for (int i = 0; i < bank.set.wallet_count; i++)
	{
		if (bank.wallets[i].changes != 0 || bank.wallets[i].last_transfer_id != 0)
			return false;
	}
	return bank.effects.transfer_count == 0 && bank.effects.outcome_count == 1 &&
	       bank.outcomes[0].request_id == 7 && bank.outcomes[0].code == code;
}

/*
 * Whatever is wrong together, the refusal is that of the flaw whose rule stands first: all sets of
 * flaws, of which test/scenarios/precedence.scenario has the pairs in words.
 */
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

	for (int flaws = 1; flaws < FLAWS_END; flaws++)
	{
		int first = __builtin_ctz((unsigned int) flaws);

		if (judge_flawed(flaws) != codes[first] || !is_refused_cleanly(codes[first]))
			wrong[first]++;
	}
	for (int i = 0; i < LENGTH(codes); i++)
	{
		ok(wrong[i] == 0, "before all that comes after it: %s", wallet_codes[codes[i]].name);
		ok(i == 0 || codes[i - 1] < codes[i], "in the order of codes.h: %s",
		   wallet_codes[codes[i]].name);
	}
	ok_code(judge_flawed(0), CODE_OK, "without a flaw");
	ok(bank.transfers[0].amount == 100, "the amount in minor units");
}

static void
test_outside(void)
{
	Wallet own = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	Operation deposit = {
	    .kind = KIND_DEPOSIT, .user_id = 1, .destination_wallet_id = 1, .amount = {100, 2}};
	Operation withdrawal = {
	    .kind = KIND_WITHDRAWAL, .user_id = 0, .source_wallet_id = 1, .amount = {100, 2}};

	ok_code(judge(&deposit, &own, 1), CODE_OK, "deposit");
	ok(bank.transfers[0].source_wallet_id == -840 && bank.transfers[0].source_previous == 0 &&
	       bank.wallets[0].balance == 200,
	   "the outside has the currency's wallet");
	ok_code(judge(&withdrawal, &own, 1), CODE_OK, "a direct call needs no owner");
}

static void
test_new_wallet(void)
{
	Operation operation = {.request_id = 7,
	                       .kind = KIND_WALLET,
	                       .user_id = 3,
	                       .amount = {INT64_MAX, 0},
	                       .currency = "usd"};

	ok_code(judge(&operation, NULL, 0), CODE_AMOUNT_TOO_LARGE, "new wallet");
	ok(is_refused_cleanly(CODE_AMOUNT_TOO_LARGE), "nothing is made of a refusal");

	operation.amount = (Amount){5, 1};
	ok_code(judge(&operation, NULL, 0), CODE_OK, "new wallet");
	ok(bank.set.wallet_count == 1 && bank.wallets[0].user_id == 3 &&
	       bank.wallets[0].balance == 50 && bank.wallets[0].changes != 0,
	   "it has its initial amount in minor units");
	ok(bank.effects.transfer_count == 1 && bank.transfers[0].kind == KIND_DEPOSIT &&
	       bank.transfers[0].source_wallet_id == -840 && bank.transfers[0].request_id == 7,
	   "its money is a deposit");
	ok(bank.effects.outcome_count == 1 && bank.outcomes[0].code == CODE_OK &&
	       bank.outcomes[0].wallet_id == bank.wallets[0].wallet_id,
	   "the outcome names the wallet");
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_WALLET_EXISTS,
	        "a second one for the same user");
	operation.amount.digits = 0;
	ok_code(judge(&operation, NULL, 0), CODE_OK, "new wallet with nothing in it");
	ok(bank.effects.transfer_count == 0, "no money, no deposit");
}

static void
test_read(void)
{
	Wallet wallet = make_wallet(1, 100, STATUS_FROZEN, &usd);
	Operation read = {
	    .request_id = 7, .kind = KIND_WALLET_READ, .user_id = 1, .source_wallet_id = 1};
	Operation deposit = {.kind = KIND_DEPOSIT, .destination_wallet_id = 1, .amount = {1, 2}};

	ok_code(judge(&read, &wallet, 1), CODE_OK, "read");
	ok(bank.outcomes[0].balance == 100 && bank.outcomes[0].status == STATUS_FROZEN &&
	       bank.outcomes[0].wallet_id == 1 && !bank.outcomes[0].sees_changes &&
	       bank.wallets[0].changes == 0,
	   "a read keeps what it saw and changes nothing");

	wallet.status = STATUS_ACTIVE;
	wallet.updated_at = 1000;
	bank_open(&bank, &read, 1, &wallet, 1, find_currency);
	bank.effects.moment = 900;
	rules_judge(&deposit, &bank.set, &bank.effects);
	rules_judge(&read, &bank.set, &bank.effects);
	ok(bank.outcomes[0].balance == 101 && bank.outcomes[0].sees_changes &&
	       bank.outcomes[0].updated_at == 1000,
	   "a read sees what came before it");
}

/* A change of a wallet that makes no transfer is stored too: whoever changes marks. */
static void
test_status(void)
{
	static const struct
	{
		WalletStatus from;
		int64_t balance;
		WalletStatus to;
		WalletCode code;
	} cases[] = {
	    {STATUS_ACTIVE, 100, STATUS_FROZEN, CODE_OK},
	    {STATUS_ACTIVE, 100, STATUS_ACTIVE, CODE_OK},
	    {STATUS_ACTIVE, 100, STATUS_CLOSED, CODE_WALLET_NOT_EMPTY},
	};
	Operation touching = {.source_wallet_id = 1};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		Wallet wallet = make_wallet(1, cases[i].balance, cases[i].from, &usd);
		WalletCode code;

		wallet.last_transfer_id = 5;
		wallet.updated_at = 10;
		bank_open(&bank, &touching, 1, &wallet, 1, find_currency);
		bank.effects.moment = 20;
		code = rule_status(1, cases[i].to, &bank.set, &bank.effects);
		ok(code == cases[i].code, "%s to %s: %s", status_names[cases[i].from],
		   status_names[cases[i].to], wallet_codes[cases[i].code].name);
		ok(bank.wallets[0].changes == (code == CODE_OK ? CHANGE_STATUS : 0) &&
		       bank.wallets[0].status == (code == CODE_OK ? cases[i].to : cases[i].from) &&
		       bank.wallets[0].updated_at == (code == CODE_OK ? 20 : 10) &&
		       bank.wallets[0].last_transfer_id == 5,
		   "the wallet is marked when it has changed, and only then");
	}
}

static void
test_move(void)
{
	Wallet wallets[] = {make_wallet(1, 500, STATUS_ACTIVE, &usd),
	                    make_wallet(2, 50, STATUS_ACTIVE, &usd)};
	Operation operation = {.request_id = 77,
	                       .kind = KIND_TRANSACTION,
	                       .user_id = 1,
	                       .source_wallet_id = 1,
	                       .destination_wallet_id = 2,
	                       .amount = {2, 0}};
	const Wallet *source = &bank.wallets[0];
	const Wallet *destination = &bank.wallets[1];
	const Transfer *transfer = &bank.transfers[0];

	wallets[0].last_transfer_id = 3;
	bank_last_transfer_id = 9;
	bank_open(&bank, &operation, 1, wallets, 2, find_currency);
	bank.effects.moment = 1000;
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_OK, "transaction");
	ok(source->balance == 300 && destination->balance == 250, "the money has moved");
	ok(transfer->source_balance == 300 && transfer->destination_balance == 250,
	   "the transfer keeps both balances");
	ok(transfer->transfer_id == 10 && transfer->request_id == 77 &&
	       transfer->kind == KIND_TRANSACTION && transfer->amount == 200 &&
	       transfer->source_wallet_id == 1 && transfer->destination_wallet_id == 2 &&
	       transfer->posted_at == 1000,
	   "the transfer says what happened");
	ok(transfer->source_previous == 3 && transfer->destination_previous == 0,
	   "the transfer continues both chains");
	ok(source->last_transfer_id == 10 && destination->last_transfer_id == 10 &&
	       source->updated_at == 1000 && destination->updated_at == 1000 &&
	       source->changes == CHANGE_MONEY && destination->changes == CHANGE_MONEY,
	   "both wallets know their last transfer, and have changed");
	ok(bank.effects.outcome_count == 0, "a transfer is its own outcome");
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_OK, "transaction");
	ok(transfer[1].source_previous == 10 && transfer[1].destination_previous == 10 &&
	       transfer[1].source_balance == 100,
	   "the next one finds the wallets as that one left them");
}

/* A batch has one moment, also when somebody has set the clock back since a wallet was written. */
static void
test_moment(void)
{
	Wallet wallets[] = {make_wallet(1, 500, STATUS_ACTIVE, &usd),
	                    make_wallet(2, 500, STATUS_ACTIVE, &usd),
	                    make_wallet(3, 500, STATUS_ACTIVE, &usd)};
	Operation operations[] = {
	    {.request_id = 1, .kind = KIND_DEPOSIT, .destination_wallet_id = 1, .amount = {1, 0}},
	    {.request_id = 2, .kind = KIND_WALLET_READ, .user_id = 1, .source_wallet_id = 1},
	    {.request_id = 3, .kind = KIND_WALLET_READ, .user_id = 3, .source_wallet_id = 3},
	    {.request_id = 4, .kind = KIND_WALLET, .user_id = 8, .currency = "usd"},
	    {.request_id = 5, .kind = KIND_DEPOSIT, .destination_wallet_id = 2, .amount = {1, 0}},
	};

	wallets[0].updated_at = 900;
	wallets[1].updated_at = 1001;
	wallets[2].updated_at = 500;
	bank_open(&bank, operations, LENGTH(operations), wallets, LENGTH(wallets), find_currency);
	bank.effects.moment = 1000;
	for (int i = 0; i < LENGTH(operations); i++)
		rules_judge(&operations[i], &bank.set, &bank.effects);
	effects_settle(&bank.set, &bank.effects);
	ok(bank.effects.moment == 1001 && bank.transfers[0].posted_at == 1001 &&
	       bank.transfers[1].posted_at == 1001,
	   "all transfers have the moment of the newest wallet");
	ok(bank.wallets[0].updated_at == 1001 && bank.wallets[1].updated_at == 1001 &&
	       bank.wallets[3].created_at == 1001 && bank.wallets[3].updated_at == 1001,
	   "and so have the wallets that have changed");
	ok(bank.wallets[2].updated_at == 500 && bank.outcomes[1].updated_at == 500,
	   "what was only read stays as it was");
	ok(bank.outcomes[0].updated_at == 1001, "a read of a changed wallet sees the moment");
}

/* Who touches what waits has to wait too, and so on. */
static void
test_waiting(void)
{
	Operation operations[] = {
	    {.kind = KIND_TRANSACTION, .source_wallet_id = 1, .destination_wallet_id = 2},
	    {.kind = KIND_TRANSACTION, .source_wallet_id = 2, .destination_wallet_id = 3},
	    {.kind = KIND_WALLET_READ, .source_wallet_id = 3},
	    {.kind = KIND_WALLET_READ, .source_wallet_id = 4},
	    {.kind = KIND_WALLET, .user_id = 4},
	};
	static const bool waits[] = {true, true, true, false, false};

	bank_open(&bank, operations, LENGTH(operations), NULL, 0, find_currency);
	touched_find(&bank.set, 1)->is_busy = true;
	for (int i = 0; i < LENGTH(operations); i++)
		ok(working_set_must_wait(&bank.set, &operations[i]) == waits[i], "operation %d %s", i,
		   waits[i] ? "waits" : "does not wait");
}

static uint32_t
bad_hash(int64_t key)
{
	return key < 0 ? 200 : 255;
}

/* Keys with one hash are still told apart, also where their elements begin anew at the front. */
static void
test_touched(void)
{
	static const struct
	{
		uint32_t keys;
		uint32_t room;
	} rooms[] = {{0, 4}, {2, 4}, {3, 8}, {5, 8}, {6, 16}, {262144, 524288}};
	Operation operations[] = {
	    {.source_wallet_id = 1, .destination_wallet_id = 2},
	    {.source_wallet_id = 3, .destination_wallet_id = 3},
	    {.kind = KIND_WALLET, .user_id = 1},
	};
	Wallet wallets[] = {make_wallet(2, 20, STATUS_ACTIVE, &usd),
	                    make_wallet(3, 30, STATUS_ACTIVE, &usd),
	                    make_wallet(4, 40, STATUS_ACTIVE, &usd)};

	for (int i = 0; i < LENGTH(rooms); i++)
		ok(touched_room(rooms[i].keys) == rooms[i].room, "%d keys have %d elements",
		   (int) rooms[i].keys, (int) rooms[i].room);
	bank_open(&bank, NULL, 0, NULL, 0, find_currency);
	bank.set.hash = bad_hash;
	for (int i = 0; i < LENGTH(operations); i++)
		working_set_touch(&bank.set, &operations[i]);
	ok(bank.set.touched_count == 4, "each key once");
	memcpy(bank.wallets, wallets, sizeof(wallets));
	working_set_load(&bank.set, 2);
	ok(working_set_wallet(&bank.set, 1) == NULL &&
	       working_set_wallet(&bank.set, 2)->balance == 20 &&
	       working_set_wallet(&bank.set, 3)->balance == 30 &&
	       working_set_wallet(&bank.set, 4) == NULL && touched_find(&bank.set, -1) != NULL,
	   "each key is found");
}

#ifndef NDEBUG
/* Does an assertion end the program?  A copy of the program tries. */
static bool
is_asserted(void (*attempt)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		(void) freopen("/dev/null", "w", stderr);
		attempt();
		_exit(0);
	}
	(void) waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static const Operation some_deposit = {
    .request_id = 7, .kind = KIND_DEPOSIT, .destination_wallet_id = 1, .amount = {1, 0}};

static void
deposit_with_room(int transfers_max, int outcomes_max, int wallet_count)
{
	Wallet wallet = make_wallet(1, 0, STATUS_ACTIVE, &usd);

	bank_open(&bank, &some_deposit, 1, &wallet, wallet_count, find_currency);
	bank.effects.transfers_max = transfers_max;
	bank.effects.outcomes_max = outcomes_max;
	rules_judge(&some_deposit, &bank.set, &bank.effects);
}

static void
do_enough(void)
{
	deposit_with_room(1, 0, 1);
}

static void
move_without_room(void)
{
	deposit_with_room(0, 1, 1);
}

static void
end_without_room(void)
{
	deposit_with_room(1, 0, 0);
}

static void
mark_without_room(void)
{
	Wallet wallet = make_wallet(1, 0, STATUS_ACTIVE, &usd);

	bank_open(&bank, &some_deposit, 1, &wallet, 1, find_currency);
	bank.set.befores_max = 0;
	(void) effects_mark(&bank.set, &bank.effects);
	rules_judge(&some_deposit, &bank.set, &bank.effects);
}

static void
wait_untouched(void)
{
	bank_open(&bank, NULL, 0, NULL, 0, find_currency);
	(void) working_set_must_wait(&bank.set, &some_deposit);
}

static void
load_out_of_order(void)
{
	Operation operation = {.source_wallet_id = 1, .destination_wallet_id = 2};
	Wallet wallets[] = {make_wallet(2, 0, STATUS_ACTIVE, &usd),
	                    make_wallet(1, 0, STATUS_ACTIVE, &usd)};

	bank_open(&bank, &operation, 1, wallets, 2, find_currency);
}

/* Memory is the caller's: what does not fit is never written. */
static void
test_room(void)
{
	ok(!is_asserted(do_enough), "room for what the kind may do is enough");
	ok(is_asserted(move_without_room), "no room for a transfer");
	ok(is_asserted(end_without_room), "no room for an outcome");
	ok(is_asserted(mark_without_room), "no room for a wallet as it was");
	ok(is_asserted(wait_untouched), "an operation that was not touched");
	ok(is_asserted(load_out_of_order), "wallets out of order");
}
#endif

/* What the operations since the mark have done is taken back, and they can be judged once more. */
static void
test_undo(void)
{
	Wallet wallets[] = {make_wallet(1, 500, STATUS_ACTIVE, &usd),
	                    make_wallet(2, 50, STATUS_ACTIVE, &usd),
	                    make_wallet(3, 0, STATUS_ACTIVE, &usd)};
	Operation operations[] = {
	    {.request_id = 1,
	     .kind = KIND_TRANSACTION,
	     .user_id = 1,
	     .source_wallet_id = 1,
	     .destination_wallet_id = 2,
	     .amount = {1, 0}},
	    /* from here on after the mark */
	    {.request_id = 2,
	     .kind = KIND_TRANSACTION,
	     .user_id = 2,
	     .source_wallet_id = 2,
	     .destination_wallet_id = 3,
	     .amount = {15, 1}},
	    {.request_id = 3,
	     .kind = KIND_TRANSACTION,
	     .user_id = 1,
	     .source_wallet_id = 1,
	     .destination_wallet_id = 2,
	     .amount = {1, 0}},
	    {.request_id = 4, .kind = KIND_WALLET, .user_id = 9, .amount = {1, 0}, .currency = "usd"},
	    {.request_id = 5, .kind = KIND_WALLET_READ, .user_id = 8, .source_wallet_id = 1},
	};
	static Wallet before[BANK_KEYS];
	EffectsMark mark;
	int64_t made;

	wallets[2].updated_at = 2000;
	bank_open(&bank, operations, LENGTH(operations), wallets, LENGTH(wallets), find_currency);
	bank.effects.moment = 1000;
	rules_judge(&operations[0], &bank.set, &bank.effects);
	memcpy(before, bank.wallets, sizeof(before));

	for (int round = 0; round < 2; round++)
	{
		mark = effects_mark(&bank.set, &bank.effects);
		for (int i = 1; i < LENGTH(operations); i++)
			rules_judge(&operations[i], &bank.set, &bank.effects);
		rule_status(3, STATUS_FROZEN, &bank.set, &bank.effects);
		made = bank_last_wallet_id;
		ok(bank.effects.transfer_count == 4 && bank.effects.outcome_count == 2 &&
		       bank.effects.moment == 2000 && bank.set.wallet_count == 4 &&
		       bank.wallets[2].status == STATUS_FROZEN &&
		       working_set_wallet(&bank.set, made) != NULL,
		   "round %d: all is done", round);
		effects_undo(&bank.set, &bank.effects, &mark);
		ok(memcmp(before, bank.wallets, 3 * sizeof(Wallet)) == 0 && bank.wallets[2].changes == 0 &&
		       bank.wallets[0].changes == CHANGE_MONEY,
		   "the wallets are as they were at the mark, and so are their marks of change");
		ok(bank.effects.transfer_count == 1 && bank.effects.outcome_count == 0 &&
		       bank.effects.moment == 1000 && !bank.effects.is_later,
		   "transfers, outcomes and moment are too");
		ok(bank.set.wallet_count == 3 && working_set_wallet(&bank.set, made) == NULL &&
		       !touched_find(&bank.set, -9)->is_there,
		   "the new wallet is gone, and its user has none");
	}

	mark = effects_mark(&bank.set, &bank.effects);
	rules_judge(&operations[1], &bank.set, &bank.effects);
	effects_keep(&bank.set);
	ok(bank.wallets[2].balance == 150 && bank.effects.transfer_count == 2, "what is kept stays");
	mark = effects_mark(&bank.set, &bank.effects);
	rules_judge(&operations[2], &bank.set, &bank.effects);
	effects_undo(&bank.set, &bank.effects, &mark);
	ok(bank.wallets[2].balance == 150 && bank.effects.transfer_count == 2,
	   "a later mark takes back only what came after it");
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
	test_unknown_kind();
	test_precedence();
	test_outside();
	test_new_wallet();
	test_read();
	test_status();
	test_move();
	test_moment();
	test_waiting();
	test_touched();
#ifndef NDEBUG
	test_room();
#endif
	test_undo();
	test_codes();
	printf("1..%d\n", tests);
	return failures > 0;
}
