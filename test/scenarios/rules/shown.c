/*
 * shown.c
 *		What there is, in words: wallets, holds, rows of the journal.
 */
#include "shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"

const Currency *
currency_of(const Transfer *row)
{
	const Wallet *wallet = stored_wallet(row->source_wallet_id);

	return &(wallet != NULL ? wallet : stored_wallet(row->destination_wallet_id))->currency;
}

static void
print_minor(int64_t minor, const Currency *currency)
{
	char text[AMOUNT_TEXT_SIZE];

	amount_format(minor, currency->minor_digits, text);
	fputs(text, stdout);
}

/* Available money may leave 64 bits: all currencies here have at most three decimals. */
static void
print_wide(Wide minor, const Currency *currency)
{
	int64_t unit = 1;
	Wide size = minor < 0 ? -minor : minor;

	for (int i = 0; i < currency->minor_digits; i++)
		unit *= 10;
	printf("%s%" PRId64 ".%0*" PRId64, minor < 0 ? "-" : "", (int64_t) (size / unit),
	       currency->minor_digits, (int64_t) (size % unit));
	if (currency->minor_digits == 0)
		putchar('0');
}

/* The wallet as a read shows it, which leaves due holds out. */
static Wallet
shown_wallet(int64_t wallet_id)
{
	Operation read = {.kind = KIND_WALLET_READ, .source_wallet_id = wallet_id};
	Wallet wallet;

	open_bank(&read);
	if (bank.set.wallet_count == 0)
		fail("no such wallet");
	if (bank.effects.moment < bank.wallets[0].updated_at)
		bank.effects.moment = bank.wallets[0].updated_at;
	bank.wallets[0].due = 0;
	bank.wallets[0].first_due = 0;
	bank.set.hold_count = bank.set.loaded_holds = 0;
	load_links(&read);
	wallet = bank.wallets[0];
	return wallet;
}

void
answer_wallet(void)
{
	Wallet wallet = shown_wallet(read_number(needed_word()));
	const char *field;

	for (int i = 0; (field = next_word()) != NULL; i++)
	{
		fputs(i == 0 ? "" : " ", stdout);
		if (strcmp(field, "balance") == 0)
			print_minor(wallet.balance, &wallet.currency);
		else if (strcmp(field, "held") == 0)
			print_minor(wallet.held - wallet.due, &wallet.currency);
		else if (strcmp(field, "available") == 0)
			print_wide(wallet_available(&wallet), &wallet.currency);
		else if (strcmp(field, "floor") == 0)
			print_minor(wallet.floor, &wallet.currency);
		else if (strcmp(field, "status") == 0)
			fputs(status_names[wallet.status], stdout);
		else if (wallet.ceiling == NO_CEILING)
			fputs("none", stdout);
		else
			print_minor(wallet.ceiling, &wallet.currency);
	}
	putchar('\n');
}

static void
print_moment(int64_t moment)
{
	if (moment == NO_END)
		fputs("infinity", stdout);
	else if (moment == 0)
		fputs("none", stdout);
	else
		printf("%" PRId64, moment);
}

void
answer_hold(void)
{
	const Hold *hold = stored_hold(id_of_name(needed_word()));
	Wallet source;
	const char *field;

	if (hold == NULL)
	{
		puts("no such hold");
		return;
	}
	/* A word of the line that is looked at already. */
	source = shown_wallet(hold->source_wallet_id);
	for (int i = 0; (field = next_word()) != NULL; i++)
	{
		bool is_due = hold->state == HOLD_OPEN && hold->expires_at <= bank.effects.moment;

		fputs(i == 0 ? "" : " ", stdout);
		if (strcmp(field, "state") == 0)
			fputs(hold_state_names[is_due ? HOLD_STATE_EXPIRED : hold->state], stdout);
		else if (strcmp(field, "rest") == 0)
			print_minor(is_due ? 0 : hold->rest, &source.currency);
		else if (strcmp(field, "captured") == 0)
			print_minor(hold->captured, &source.currency);
		else if (strcmp(field, "total") == 0)
			print_minor(hold->captured + (is_due ? 0 : hold->rest), &source.currency);
		else if (strcmp(field, "max") == 0)
			print_minor(hold->max_capture, &source.currency);
		else
			print_moment(hold->expires_at);
	}
	putchar('\n');
}

static void
print_or_none(bool is_there, int64_t minor, const Currency *currency)
{
	if (is_there)
		print_minor(minor, currency);
	else
		fputs("none", stdout);
}

static void
print_field(const Transfer *row, const char *field)
{
	const Currency *currency = currency_of(row);

	if (strcmp(field, "kind") == 0)
		fputs(kind_name(row->kind), stdout);
	else if (strcmp(field, "amount") == 0)
		print_minor(row->amount, currency);
	else if (strcmp(field, "held") == 0)
		print_minor(row->source_wallet_id > 0 ? row->held : 0, currency);
	else if (strcmp(field, "link") == 0)
		fputs(row->link_id == row->transfer_id ? "itself" : name_of_id(row->link_id), stdout);
	else if (strcmp(field, "group") == 0)
		fputs(name_of_id(row->group_id), stdout);
	else if (strcmp(field, "size") == 0 && row->group_size == 0)
		fputs("none", stdout);
	else if (strcmp(field, "size") == 0)
		printf("%d", row->group_size);
	else if (strcmp(field, "overdraw") == 0)
		fputs(row->overdraw ? "yes" : "no", stdout);
	else if (strcmp(field, "expires") == 0)
		print_moment(row->expires_at);
	else if (strcmp(field, "posted") == 0)
		print_moment(row->posted_at);
	else if (strcmp(field, "max") == 0)
		print_or_none(row->max_capture != 0, row->max_capture, currency);
	else if (strcmp(field, "source_balance") == 0)
		print_or_none(row->source_wallet_id > 0, row->source_balance, currency);
	else
		print_or_none(row->destination_wallet_id > 0 && kind_moves_money(row->kind),
		              row->destination_balance, currency);
}

void
answer_row(void)
{
	int row = stored_row(id_of_name(needed_word()));
	const char *field;

	for (int i = 0; row >= 0 && (field = next_word()) != NULL; i++)
	{
		fputs(i == 0 ? "" : " ", stdout);
		print_field(&rows[row], field);
	}
	puts(row < 0 ? "no such row" : "");
}

void
answer_journal(void)
{
	int64_t wallet_id = read_number(needed_word());
	int wanted = atoi(needed_word());
	int from = row_count;

	for (int found = 0; from > 0 && found < wanted;)
	{
		const Transfer *row = &rows[--from];

		found += row->source_wallet_id == wallet_id ||
		         (row->destination_wallet_id == wallet_id && kind_moves_money(row->kind));
	}
	for (bool is_first = true; from < row_count; from++)
	{
		const Transfer *row = &rows[from];

		if (row->source_wallet_id != wallet_id &&
		    (row->destination_wallet_id != wallet_id || !kind_moves_money(row->kind)))
			continue;
		printf("%s%s ", is_first ? "" : " ", kind_name(row->kind));
		print_minor(row->amount, currency_of(row));
		is_first = false;
	}
	putchar('\n');
}
