/*
 * program.c
 *		Carries out the operations of a scenario by the rules alone, without a server.
 *
 * lib/Rules.pm writes one operation a line and reads one answer a line.  A wallet has the number of
 * its user.  A word is NAME=VALUE; an id may be $NAME, for what an operation of that name has made.
 * A moment is infinity, or a number of microseconds from the clock's present moment.
 *
 *	start MOMENT							what the clock says; no answer
 *	request KIND [name=N] [dry=1] [user_id=U] MEMBER...	and legs=N lines, each: leg KIND MEMBER...
 *	status WALLET STATUS
 *	limits WALLET [floor=A] [ceiling=A]
 *	close WALLET [sweep=WALLET]
 *	clock SHIFT, or clock NAME SHIFT		to the end of a hold
 *	expire
 *	wallet WALLET FIELD...					hold NAME FIELD..., row NAME FIELD...
 *	journal WALLET ROWS
 *
 * The answer to what was carried out is `processed AMOUNT POSTED_AT ID`, with what its first row
 * says; to a refusal it is the code, and `leg N` where a group's leg was refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"
#include "shown.h"

/* ---- Requests ---- */

static void
print_refusal(WalletCode code)
{
	if (bank.effects.failed_leg > 0)
		printf("%s leg %d\n", wallet_codes[code].name, bank.effects.failed_leg - 1);
	else
		puts(wallet_codes[code].name);
}

static void
print_processed(void)
{
	char text[AMOUNT_TEXT_SIZE];

	for (int i = 0; i < bank.effects.transfer_count; i++)
	{
		const Transfer *row = &bank.transfers[i];

		if (row->kind == KIND_EXPIRY)
			continue;
		amount_format(row->amount, currency_of(row)->minor_digits, text);
		printf("processed %s %" PRId64 " %" PRId64 "\n", text, row->posted_at, row->transfer_id);
		return;
	}
	puts("processed");
}

static void
carry_out(Operation *operation, const Asked *asked)
{
	WalletCode code;

	resolve_all(operation);
	last_wallet_id = operation->user_id;
	open_bank(operation);
	code = rules_judge(operation, &bank.set, &bank.effects);
	if (code != CODE_OK)
	{
		print_refusal(code);
		return;
	}
	if (asked->is_dry)
	{
		puts("processed");
		return;
	}
	store_bank(asked->name);
	if (operation->kind == KIND_WALLET_READ)
	{
		char text[AMOUNT_TEXT_SIZE];

		amount_format(bank.outcomes[0].balance, bank.wallets[0].currency.minor_digits, text);
		puts(text);
	}
	else
		print_processed();
}

static char line[20000];

static void
next_line(void)
{
	if (fgets(line, sizeof(line), stdin) == NULL)
		fail("a leg is missing");
	(void) strtok(line, " \n");
}

static void
answer_request(void)
{
	static char block[sizeof(Parts) + 2 * LEGS_MAX * (sizeof(Operation) + sizeof(Share))];
	static char name[64];
	Operation request;
	Asked asked = {0};
	Asked ignored = {0};
	WalletCode code = read_operation(&request, &asked, NULL);

	request.request_id = 1;
	if (asked.name != NULL)
	{
		snprintf(name, sizeof(name), "%s", asked.name);
		asked.name = name;
	}
	if (request.kind == KIND_GROUP)
	{
		request.parts = parts_init(block, asked.legs, 2 * LEGS_MAX);
		request.parts->share_count = 0;
		for (int i = 0; i < asked.legs; i++)
		{
			WalletCode read;

			next_line();
			read = read_operation(&request.parts->legs[i], &ignored, request.parts);
			code = code == CODE_OK ? read : code;
		}
	}
	memset(&bank.effects, 0, sizeof(bank.effects));
	if (code == CODE_OK)
		carry_out(&request, &asked);
	else
		print_refusal(code);
}

/* ---- What an operator does ---- */

static void
answer(WalletCode code)
{
	if (code == CODE_OK)
	{
		store_bank(NULL);
		print_processed();
	}
	else
		puts(wallet_codes[code].name);
}

static void
answer_status(void)
{
	Operation operation = {.source_wallet_id = read_number(needed_word())};
	WalletStatus status;

	if (!status_from_name(needed_word(), &status))
	{
		puts(wallet_codes[CODE_UNKNOWN_STATUS].name);
		return;
	}
	open_bank(&operation);
	answer(rule_status(operation.source_wallet_id, status, &bank.set, &bank.effects));
}

static void
answer_close(void)
{
	Operation operation = {.kind = KIND_SWEEP, .source_wallet_id = read_number(needed_word())};
	const char *word = next_word();

	if (word != NULL)
		operation.destination_wallet_id = read_number(word + strlen("sweep="));
	open_bank(&operation);
	answer(rule_close(&operation, &bank.set, &bank.effects));
}

static void
answer_limits(void)
{
	Operation operation = {.source_wallet_id = read_number(needed_word())};
	Limits limits = {.floor = AMOUNT_NONE, .ceiling = AMOUNT_NONE};
	WalletCode code = CODE_OK;
	const char *word;

	while ((word = next_word()) != NULL)
	{
		const char *value = strchr(word, '=') + 1;
		WalletCode read = CODE_OK;

		if (word[0] == 'f')
			read = read_amount(value, &limits.floor);
		else if (strcmp(value, "infinity") == 0)
			limits.no_ceiling = true;
		else
			read = read_amount(value, &limits.ceiling);
		code = code == CODE_OK ? read : code;
	}
	open_bank(&operation);
	answer(code != CODE_OK
	           ? code
	           : rule_limits(operation.source_wallet_id, &limits, &bank.set, &bank.effects));
}

static void
answer_clock(void)
{
	const char *word = needed_word();

	if (word[0] == '$')
	{
		const Hold *hold = stored_hold(id_of_name(word + 1));

		if (hold == NULL)
		{
			puts("no such hold");
			return;
		}
		now = hold->expires_at;
		word = needed_word();
	}
	now += strtoll(word, NULL, 10);
	printf("%" PRId64 "\n", now);
}

/* As the worker does it once a second. */
static void
answer_expire(void)
{
	for (int i = 0; i < wallet_count; i++)
	{
		Operation operation = {.kind = KIND_EXPIRY, .source_wallet_id = wallets[i].wallet_id};

		open_bank(&operation);
		effects_expire_due(&bank.set, &bank.effects, &bank.wallets[0]);
		store_bank(NULL);
	}
	puts("processed");
}

int
main(void)
{
	static const struct
	{
		const char *verb;
		void (*answer)(void);
	} verbs[] = {
	    {"request", answer_request}, {"status", answer_status}, {"limits", answer_limits},
	    {"close", answer_close},     {"clock", answer_clock},   {"expire", answer_expire},
	    {"wallet", answer_wallet},   {"hold", answer_hold},     {"row", answer_row},
	    {"journal", answer_journal},
	};

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		const char *verb = strtok(line, " \n");
		size_t i = 0;

		if (verb != NULL && strcmp(verb, "start") == 0)
		{
			now = strtoll(needed_word(), NULL, 10);
			continue;
		}
		while (i < sizeof(verbs) / sizeof(verbs[0]) &&
		       (verb == NULL || strcmp(verb, verbs[i].verb) != 0))
			i++;
		if (i == sizeof(verbs) / sizeof(verbs[0]))
			fail("no such operation");
		verbs[i].answer();
	}
	return 0;
}
