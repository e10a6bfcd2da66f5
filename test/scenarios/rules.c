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

#include "rules/post.h"

#define WALLETS_MAX 1000

static Wallet wallets[WALLETS_MAX];
static int wallet_count = 0;

static const Currency currencies[] = {
    {.code = "usd", .minor_digits = 2, .outside_wallet_id = -840},
    {.code = "eur", .minor_digits = 2, .outside_wallet_id = -978},
    {.code = "jpy", .minor_digits = 0, .outside_wallet_id = -392},
    {.code = "bhd", .minor_digits = 3, .outside_wallet_id = -48},
};

static const Currency *
find_currency(const char *code)
{
	for (size_t i = 0; i < sizeof(currencies) / sizeof(currencies[0]); i++)
	{
		if (strcmp(currencies[i].code, code) == 0)
			return &currencies[i];
	}
	return NULL;
}

static Wallet *
find_wallet(int64_t wallet_id)
{
	for (int i = 0; i < wallet_count; i++)
	{
		if (wallets[i].wallet_id == wallet_id)
			return &wallets[i];
	}
	return NULL;
}

/* ---- All that depends on how the rules are called ---- */

static WalletCode
make_wallet(const Request *request)
{
	const Currency *currency = find_currency(request->currency);
	int64_t amount;
	WalletCode code =
	    check_new_wallet(request, find_wallet(request->user_id) != NULL, currency, &amount);
	Transfer transfer;

	if (code != CODE_OK)
		return code;
	wallets[wallet_count] = (Wallet){
	    .wallet_id = request->user_id,
	    .user_id = request->user_id,
	    .status = STATUS_ACTIVE,
	    .currency = *currency,
	};
	if (amount > 0)
	{
		Wallet outside = outside_wallet(currency);

		post_transfer(request, 1, amount, 0, &outside, &wallets[wallet_count], &transfer);
	}
	wallet_count++;
	return CODE_OK;
}

static WalletCode
move_money(const Request *request)
{
	Wallet *source = find_wallet(request->source_wallet_id);
	Wallet *destination = find_wallet(request->destination_wallet_id);
	Wallet outside = {0};
	int64_t amount;
	WalletCode code;
	Transfer transfer;

	if (request->kind == KIND_DEPOSIT && destination != NULL)
	{
		outside = outside_wallet(&destination->currency);
		source = &outside;
	}
	if (request->kind == KIND_WITHDRAWAL && source != NULL)
	{
		outside = outside_wallet(&source->currency);
		destination = &outside;
	}
	code = check_transfer(request, source, destination, &amount);
	if (code == CODE_OK)
		post_transfer(request, 1, amount, 0, source, destination, &transfer);
	return code;
}

static WalletCode
carry_out(const Request *request)
{
	switch (request->kind)
	{
		case KIND_WALLET:
			return make_wallet(request);
		case KIND_WALLET_READ:
			return check_read(request, find_wallet(request->source_wallet_id));
		default:
			return move_money(request);
	}
}

static WalletCode
change_status(int64_t wallet_id, WalletStatus status)
{
	Wallet *wallet = find_wallet(wallet_id);
	WalletCode code = check_status(wallet, status);

	if (code == CODE_OK)
		wallet->status = status;
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

static void
answer_request(RequestKind kind)
{
	Request request = {.kind = kind, .user_id = next_number()};
	WalletCode code = CODE_OK;

	if (kind == KIND_TRANSACTION || kind == KIND_WITHDRAWAL || kind == KIND_WALLET_READ)
		request.source_wallet_id = next_number();
	if (kind == KIND_TRANSACTION || kind == KIND_DEPOSIT)
		request.destination_wallet_id = next_number();
	if (kind != KIND_WALLET_READ)
	{
		const char *word = next_word();

		code = amount_parse(word, strlen(word), &request.amount);
	}
	if (kind == KIND_WALLET)
		strncpy(request.currency, next_word(), sizeof(request.currency) - 1);

	if (code == CODE_OK)
		code = carry_out(&request);
	if (kind == KIND_WALLET_READ && code == CODE_OK)
	{
		const Wallet *wallet = find_wallet(request.source_wallet_id);
		char text[AMOUNT_TEXT_SIZE];

		amount_format(wallet->balance, wallet->currency.minor_digits, text);
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
