/*
 * world.c
 *		What the program of the scenarios keeps in place of tables.
 *
 * It does what posting/ledger.c does with tables: finds what an operation touches, loads and
 * stores that.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 20000
#define NO_SUCH_ID INT64_C(4611686018427387903)

Wallet wallets[WALLETS_MAX];
int wallet_count = 0;
static Hold holds[ROWS_MAX];
static int hold_count = 0;
Transfer rows[ROWS_MAX];
static int64_t reversed[ROWS_MAX];
int row_count = 0;

static struct
{
	char name[64];
	int64_t id;
} names[NAMES_MAX];
static int name_count = 0;

int64_t now;
int64_t last_wallet_id;
Bank bank;

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

_Noreturn void
fail(const char *what)
{
	fprintf(stderr, "rules: %s\n", what);
	exit(1);
}

/* ---- What there is ---- */

Wallet *
stored_wallet(int64_t wallet_id)
{
	for (int i = 0; i < wallet_count; i++)
	{
		if (wallets[i].wallet_id == wallet_id)
			return &wallets[i];
	}
	return NULL;
}

Hold *
stored_hold(int64_t hold_id)
{
	for (int i = 0; i < hold_count; i++)
	{
		if (holds[i].hold_id == hold_id)
			return &holds[i];
	}
	return NULL;
}

/* Its place in rows; -1 where there is none. */
int
stored_row(int64_t transfer_id)
{
	for (int i = 0; i < row_count; i++)
	{
		if (rows[i].transfer_id == transfer_id)
			return i;
	}
	return -1;
}

int64_t
id_of_name(const char *name)
{
	for (int i = name_count - 1; i >= 0; i--)
	{
		if (strcmp(names[i].name, name) == 0)
			return names[i].id;
	}
	return NO_SUCH_ID;
}

const char *
name_of_id(int64_t id)
{
	for (int i = 0; i < name_count; i++)
	{
		if (names[i].id == id)
			return names[i].name;
	}
	return id == 0 ? "none" : "nameless";
}

static void
keep_name(const char *name, int number, int64_t id)
{
	if (name == NULL)
		return;
	if (name_count + 2 > NAMES_MAX)
		fail("too many names");
	if (number == 0)
	{
		snprintf(names[name_count].name, sizeof(names[0].name), "%s", name);
		names[name_count++].id = id;
	}
	snprintf(names[name_count].name, sizeof(names[0].name), "%s.%d", name, number);
	names[name_count++].id = id;
}

/* ---- One operation with its working set ---- */

static int64_t
draw_transfer_id(int64_t above, int to_come)
{
	static int64_t last = 0;

	(void) above, (void) to_come;
	return ++last;
}

static int64_t
draw_wallet_id(void)
{
	return last_wallet_id;
}

/* Does the operation, or one of its legs, speak of this row? */
static bool
refers_to(const Operation *operation, int64_t id)
{
	const Parts *parts = operation->parts;

	for (int i = 0; parts != NULL && i < parts->leg_count; i++)
	{
		if (parts->legs[i].link_id == id)
			return true;
	}
	return operation->link_id == id;
}

void
load_links(const Operation *operation)
{
	WorkingSet *set = &bank.set;
	int loaded = 0;

	for (int i = 0; i < hold_count; i++)
	{
		const Wallet *source = working_set_wallet(set, holds[i].source_wallet_id);
		bool is_due = source != NULL && holds[i].state == HOLD_OPEN &&
		              holds[i].expires_at <= bank.effects.moment;

		if (is_due || refers_to(operation, holds[i].hold_id))
			bank.holds[loaded++] = holds[i];
	}
	working_set_load_holds(set, loaded, bank.effects.moment);
	loaded = 0;
	for (int i = 0; i < row_count; i++)
	{
		if (refers_to(operation, rows[i].transfer_id))
			bank.originals[loaded++] = (Original){
			    .transfer_id = rows[i].transfer_id,
			    .kind = rows[i].kind,
			    .source_wallet_id = rows[i].source_wallet_id,
			    .destination_wallet_id = rows[i].destination_wallet_id,
			    .amount = rows[i].amount,
			    .reversed = reversed[i],
			};
	}
	working_set_load_originals(set, loaded);
}

/* Finds and loads what the operation touches. */
void
open_bank(const Operation *operation)
{
	WorkingSet *set = &bank.set;
	int loaded = 0;

	memset(&bank, 0, sizeof(bank));
	*set = (WorkingSet){
	    .touched = bank.touched,
	    .touched_max = sizeof(bank.touched) / sizeof(bank.touched[0]),
	    .wallets = bank.wallets,
	    .wallets_max = SET_MAX,
	    .holds = bank.holds,
	    .holds_max = SET_MAX,
	    .originals = bank.originals,
	    .originals_max = SET_MAX,
	    .befores = bank.befores,
	    .befores_max = 8 * SET_MAX,
	    .find_currency = find_currency,
	};
	bank.effects = (Effects){
	    .hold_expiry = INT64_C(7) * 24 * 60 * 60 * 1000000,
	    .transfers = bank.transfers,
	    .transfers_max = SET_MAX,
	    .outcomes = bank.outcomes,
	    .outcomes_max = 1,
	    .draw_transfer_id = draw_transfer_id,
	    .draw_wallet_id = draw_wallet_id,
	};
	working_set_touch(set, operation);
	for (int i = 0; i < wallet_count; i++)
	{
		Touched *user = touched_find(set, -wallets[i].user_id);

		if (touched_find(set, wallets[i].wallet_id) != NULL)
			bank.wallets[loaded++] = wallets[i];
		if (user != NULL)
			user->is_there = true;
	}
	working_set_load(set, loaded);
	effects_begin(&bank.effects, set, now);
	load_links(operation);
}

static void
store_wallet(const Wallet *wallet)
{
	int at = 0;

	while (at < wallet_count && wallets[at].wallet_id < wallet->wallet_id)
		at++;
	if (at == wallet_count || wallets[at].wallet_id != wallet->wallet_id)
	{
		if (wallet_count == WALLETS_MAX)
			fail("too many wallets");
		memmove(&wallets[at + 1], &wallets[at], sizeof(Wallet) * (size_t) (wallet_count - at));
		wallet_count++;
	}
	wallets[at] = *wallet;
	wallets[at].changes = wallets[at].first_due = 0;
	wallets[at].due = 0;
}

static void
store_hold(const Hold *hold)
{
	Hold *stored = stored_hold(hold->hold_id);

	if (stored == NULL)
		stored = &holds[hold_count++];
	*stored = *hold;
	stored->is_changed = false;
	stored->next_due = 0;
}

/* Stores what was done, and gives its rows the name. */
void
store_bank(const char *name)
{
	int number = 0;

	effects_settle(&bank.set, &bank.effects);
	if (row_count + bank.effects.transfer_count > ROWS_MAX)
		fail("too many rows");
	for (int i = 0; i < bank.set.wallet_count; i++)
	{
		if (bank.wallets[i].changes != 0)
			store_wallet(&bank.wallets[i]);
	}
	for (int i = 0; i < bank.set.hold_count; i++)
	{
		if (bank.holds[i].is_changed)
			store_hold(&bank.holds[i]);
	}
	for (int i = 0; i < bank.set.original_count; i++)
	{
		if (bank.originals[i].is_changed)
			reversed[stored_row(bank.originals[i].transfer_id)] = bank.originals[i].reversed;
	}
	for (int i = 0; i < bank.effects.transfer_count; i++)
	{
		rows[row_count++] = bank.transfers[i];
		if (bank.transfers[i].kind != KIND_EXPIRY)
			keep_name(name, number++, bank.transfers[i].transfer_id);
	}
}

/* ---- What an operation refers to, as posting/resolve.c finds it ---- */

static void
resolve(Operation *operation)
{
	const Hold *hold;
	int row;

	if (operation->kind == KIND_REVERSAL)
	{
		row = stored_row(operation->link_id);
		if (row >= 0)
		{
			operation->source_wallet_id = rows[row].destination_wallet_id;
			operation->destination_wallet_id = rows[row].source_wallet_id;
		}
		return;
	}
	if (operation->kind != KIND_CAPTURE && operation->kind != KIND_VOID &&
	    operation->kind != KIND_HOLD_EXTEND)
		return;
	hold = stored_hold(operation->link_id);
	if (hold != NULL)
	{
		operation->source_wallet_id = hold->source_wallet_id;
		operation->destination_wallet_id = hold->destination_wallet_id;
	}
}

/* The rows of a group become the legs of its reversal, the last first. */
static void
resolve_group(Operation *operation)
{
	static char block[sizeof(Parts) + 2 * LEGS_MAX * sizeof(Operation)];
	int count = 0;

	for (int i = 0; i < row_count; i++)
		count += rows[i].group_id == operation->link_id;
	if (count == 0)
		return;
	operation->parts = parts_init(block, count, 0);
	for (int i = row_count - 1, leg = 0; i >= 0; i--)
	{
		if (rows[i].group_id != operation->link_id)
			continue;
		operation->parts->legs[leg] = (Operation){
		    .kind = KIND_REVERSAL,
		    .amount = AMOUNT_NONE,
		    .max_capture = AMOUNT_NONE,
		    .link_id = rows[i].transfer_id,
		};
		resolve(&operation->parts->legs[leg++]);
	}
}

void
resolve_all(Operation *operation)
{
	if (operation->kind == KIND_GROUP_REVERSAL)
		resolve_group(operation);
	else
		resolve(operation);
	if (operation->kind == KIND_GROUP)
	{
		for (int i = 0; i < operation->parts->leg_count; i++)
			resolve(&operation->parts->legs[i]);
	}
}
