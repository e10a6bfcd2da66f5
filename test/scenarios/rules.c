/*
 * rules.c
 *		Carries out the operations of a scenario by the rules alone, without a server.
 *
 * play.pl writes one operation a line, with numbers for users and wallets, and reads one answer a
 * line: a code, or for a balance the amount.
 *
 *	wallet USER AMOUNT CURRENCY
 *	transaction USER SOURCE DESTINATION AMOUNT
 *	deposit USER WALLET AMOUNT
 *	withdrawal USER WALLET AMOUNT
 *	wallet_read USER WALLET
 *	status WALLET STATUS
 *
 * A wallet has the number of its user.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/rules.h"
#include "rules/wallet.h"

#include "../unit/bank.h"

#define WALLETS_MAX 1000

/* As a table has them: in the order of their ids. */
static Wallet wallets[WALLETS_MAX];
static int wallet_count = 0;

static const Currency currencies[] = {
    {.code = "usd", .minor_digits = 2, .outside_wallet_id = -840},
    {.code = "eur", .minor_digits = 2, .outside_wallet_id = -978},
    {.code = "jpy", .minor_digits = 0, .outside_wallet_id = -392},
    {.code = "bhd", .minor_digits = 3, .outside_wallet_id = -48},
};

static bool
find_currency(const char *code, Currency *currency)
{
	for (size_t i = 0; i < sizeof(currencies) / sizeof(currencies[0]); i++)
	{
		if (strcmp(currencies[i].code, code) == 0)
		{
			*currency = currencies[i];
			return true;
		}
	}
	return false;
}

/* ---- All that depends on how the rules are called ---- */

static TestBank bank;

static void
open_bank(const Operation *operation)
{
	bank_open(&bank, operation, 1, wallets, wallet_count, find_currency);
	bank_last_wallet_id = operation->user_id - 1;
}

static void
store_wallet(const Wallet *wallet)
{
	int at = 0;

	while (at < wallet_count && wallets[at].wallet_id < wallet->wallet_id)
		at++;
	if (at == wallet_count || wallets[at].wallet_id != wallet->wallet_id)
	{
		memmove(&wallets[at + 1], &wallets[at], sizeof(Wallet) * (wallet_count - at));
		wallet_count++;
	}
	wallets[at] = *wallet;
	wallets[at].changes = 0;
}

static void
store_bank(void)
{
	effects_settle(&bank.set, &bank.effects);
	for (int i = 0; i < bank.set.wallet_count; i++)
	{
		if (bank.wallets[i].changes != 0)
			store_wallet(&bank.wallets[i]);
	}
}

static WalletCode
carry_out(const Operation *operation)
{
	WalletCode code;

	open_bank(operation);
	code = rules_judge(operation, &bank.set, &bank.effects);
	store_bank();
	return code;
}

static WalletCode
change_status(int64_t wallet_id, WalletStatus status)
{
	Operation operation = {.source_wallet_id = wallet_id};
	WalletCode code;

	open_bank(&operation);
	code = rule_status(wallet_id, status, &bank.set, &bank.effects);
	store_bank();
	return code;
}

/* ---- Lines ---- */

static void
fail(const char *what)
{
	fprintf(stderr, "rules: %s\n", what);
	exit(1);
}

static const char *
next_word(void)
{
	const char *word = strtok(NULL, " \n");

	if (word == NULL)
		fail("a line is too short");
	return word;
}

static int64_t
next_number(void)
{
	return strtoll(next_word(), NULL, 10);
}

static void
answer_status(void)
{
	int64_t wallet_id = next_number();
	WalletStatus status;
	WalletCode code = CODE_UNKNOWN_STATUS;

	if (status_from_name(next_word(), &status))
		code = change_status(wallet_id, status);
	puts(wallet_codes[code].name);
}

/* Reads the next word as the value of a member. */
static WalletCode
read_member(Operation *operation, const KindMember *member)
{
	void *value = (char *) operation + member->offset;
	const char *word = next_word();

	switch (member->type)
	{
		case TYPE_ID:
			*(int64_t *) value = strtoll(word, NULL, 10);
			return CODE_OK;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			return amount_parse(word, strlen(word), value);
		case TYPE_CURRENCY:
			strncpy(value, word, sizeof(operation->currency) - 1);
			return CODE_OK;
		default:
			fail("a member has a type that this program does not know");
			return CODE_INTERNAL_ERROR;
	}
}

static void
answer_request(RequestKind kind)
{
	const KindInfo *info = &kind_infos[kind];
	Operation request = {.request_id = 1, .kind = kind};
	WalletCode code = CODE_OK;

	for (int i = 0; i < info->member_count; i++)
	{
		WalletCode read = read_member(&request, &info->members[i]);

		code = code == CODE_OK ? read : code;
	}
	if (code == CODE_OK)
		code = carry_out(&request);
	if (kind == KIND_WALLET_READ && code == CODE_OK)
	{
		char text[AMOUNT_TEXT_SIZE];

		amount_format(bank.outcomes[0].balance, bank.wallets[0].currency.minor_digits, text);
		puts(text);
	}
	else
		puts(wallet_codes[code].name);
}

int
main(void)
{
	char line[200];

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		const char *verb = strtok(line, " \n");
		RequestKind kind;

		if (wallet_count == WALLETS_MAX)
			fail("too many wallets");
		if (verb != NULL && strcmp(verb, "status") == 0)
			answer_status();
		else if (verb != NULL && kind_from_name(verb, &kind))
			answer_request(kind);
		else
			fail("no such operation");
	}
	return 0;
}
