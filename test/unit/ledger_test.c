/*
 * ledger_test.c
 *		Random operations by the rules alone, as TAP: what holds whatever happens.
 *
 * A small world keeps what the tables would keep.  After each operation the money is conserved,
 * each wallet holds what its open holds reserve, no hold and no reversal takes more than there was,
 * and an operation that is refused has changed nothing.
 */
#include <stdlib.h>

#include "rules/rules.h"
#include "rules/wallet.h"

#include "check.h"
#include "wallets.h"

#define WALLETS 5
#define OPERATIONS 60000
#define WORLD_OPERATIONS 100 /* then another world begins */
#define ROWS_MAX (WORLD_OPERATIONS * 2 * LEGS_MAX)

static Wallet world_wallets[WALLETS];
static Hold world_holds[ROWS_MAX];
static int world_hold_count;
static Original world_rows[ROWS_MAX];
static int world_row_count;
static int64_t world_outside;
static uint64_t random_state = 88172645463325252u;

static int
any(int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int) (random_state % (unsigned) below);
}

static void
begin_world(void)
{
	for (int i = 0; i < WALLETS; i++)
		world_wallets[i] = make_wallet(i + 1, 1000, STATUS_ACTIVE, &usd);
	world_hold_count = world_row_count = 0;
	world_outside = -1000 * WALLETS;
}

/* What posting/resolve.c does: an operation's wallets are those of the row that it names. */
static void
resolve(Operation *operation)
{
	for (int i = 0; i < world_hold_count && operation->link_id != 0; i++)
	{
		if (world_holds[i].hold_id == operation->link_id && operation->kind != KIND_REVERSAL)
		{
			operation->source_wallet_id = world_holds[i].source_wallet_id;
			operation->destination_wallet_id = world_holds[i].destination_wallet_id;
		}
	}
	for (int i = 0; i < world_row_count && operation->kind == KIND_REVERSAL; i++)
	{
		if (world_rows[i].transfer_id == operation->link_id)
		{
			operation->source_wallet_id = world_rows[i].source_wallet_id;
			operation->destination_wallet_id = world_rows[i].destination_wallet_id;
		}
	}
}

/* Loads the holds and rows that a batch would load: the last ones, and what is open. */
static void
load(void)
{
	int holds = 0;
	int rows = 0;

	for (int i = 0; i < world_hold_count; i++)
	{
		if (holds < BANK_HOLDS - LEGS_MAX &&
		    (world_holds[i].state == HOLD_OPEN || i > world_hold_count - 20))
			bank.holds[holds++] = world_holds[i];
	}
	for (int i = world_row_count > 100 ? world_row_count - 100 : 0; i < world_row_count; i++)
		bank.originals[rows++] = world_rows[i];
	working_set_load_holds(&bank.set, holds, bank.effects.moment);
	working_set_load_originals(&bank.set, rows);
}

static void
store(void)
{
	effects_settle(&bank.set, &bank.effects);
	for (int i = 0; i < bank.set.wallet_count; i++)
	{
		Wallet *wallet = &world_wallets[bank.wallets[i].wallet_id - 1];

		*wallet = bank.wallets[i];
		wallet->changes = wallet->first_due = 0;
		wallet->due = 0;
	}
	for (int i = 0; i < bank.set.hold_count; i++)
	{
		int at = 0;

		while (at < world_hold_count && world_holds[at].hold_id != bank.holds[i].hold_id)
			at++;
		world_hold_count += at == world_hold_count ? 1 : 0;
		world_holds[at] = bank.holds[i];
		world_holds[at].is_changed = false;
		world_holds[at].next_due = 0;
	}
	for (int i = 0; i < bank.set.original_count; i++)
	{
		for (int j = 0; j < world_row_count && bank.originals[i].is_changed; j++)
		{
			if (world_rows[j].transfer_id == bank.originals[i].transfer_id)
				world_rows[j].reversed = bank.originals[i].reversed;
		}
	}
	for (int i = 0; i < bank.effects.transfer_count; i++)
	{
		const Transfer *row = &bank.transfers[i];

		world_rows[world_row_count++] = (Original){
		    .transfer_id = row->transfer_id,
		    .kind = row->kind,
		    .source_wallet_id = row->source_wallet_id,
		    .destination_wallet_id = row->destination_wallet_id,
		    .amount = row->amount,
		};
		if (kind_moves_money(row->kind) && row->source_wallet_id < 0)
			world_outside -= row->amount;
		if (kind_moves_money(row->kind) && row->destination_wallet_id < 0)
			world_outside += row->amount;
	}
}

static Amount
any_amount(void)
{
	return any(4) == 0 ? AMOUNT_NONE : (Amount){any(300), 2};
}

static Operation
any_operation(bool is_leg)
{
	static const RequestKind kinds[] = {KIND_DEPOSIT,     KIND_DEPOSIT,  KIND_WITHDRAWAL,
	                                    KIND_TRANSACTION, KIND_HOLD,     KIND_HOLD,
	                                    KIND_CAPTURE,     KIND_VOID,     KIND_HOLD_EXTEND,
	                                    KIND_REVERSAL,    KIND_REVERSAL, KIND_TRANSACTION};
	Operation operation = {
	    .request_id = is_leg ? 0 : 7,
	    .kind = kinds[any(LENGTH(kinds))],
	    .user_id = any(3) == 0 ? 0 : 1 + any(WALLETS),
	    .source_wallet_id = 1 + any(WALLETS),
	    .destination_wallet_id = 1 + any(WALLETS),
	    .amount = any_amount(),
	    .max_capture = any(3) == 0 ? (Amount){any(400), 2} : AMOUNT_NONE,
	    .keeps_rest = any(2) == 0,
	    .expires_in = any(3) == 0 ? any(1000) : 0,
	    .shortfall = (uint8_t) any(SHORTFALL_COUNT),
	};

	if (operation.kind == KIND_DEPOSIT)
		operation.source_wallet_id = 0;
	if (operation.kind == KIND_WITHDRAWAL || (operation.kind == KIND_HOLD && any(3) == 0))
		operation.destination_wallet_id = 0;
	if (operation.kind == KIND_TRANSACTION || operation.kind == KIND_WITHDRAWAL)
		operation.amount_mode = (uint8_t) any(MODE_COUNT);
	if (operation.kind == KIND_REVERSAL && world_row_count > 0)
		operation.link_id = world_rows[world_row_count - 1 - any(world_row_count) % 30].transfer_id;
	else if (world_hold_count > 0)
		operation.link_id = world_holds[world_hold_count - 1 - any(world_hold_count) % 9].hold_id;
	resolve(&operation);
	return operation;
}

/* Nothing is lost or made, and each wallet holds what its open holds reserve. */
static bool
is_sound(void)
{
	int64_t sum = world_outside;

	for (int i = 0; i < WALLETS; i++)
	{
		int64_t held = 0;

		for (int j = 0; j < world_hold_count; j++)
			held += world_holds[j].source_wallet_id == i + 1 ? world_holds[j].rest : 0;
		if (held != world_wallets[i].held)
			return false;
		sum += world_wallets[i].balance;
	}
	for (int i = 0; i < world_hold_count; i++)
	{
		const Hold *hold = &world_holds[i];

		if (hold->rest < 0 || hold->captured + hold->rest > hold->max_capture ||
		    (hold->rest == 0) == (hold->state == HOLD_OPEN))
			return false;
	}
	for (int i = 0; i < world_row_count; i++)
	{
		if (world_rows[i].reversed > world_rows[i].amount)
			return false;
	}
	return sum == 0;
}

static bool
has_changed(void)
{
	bool changed = bank.effects.transfer_count > 0 || bank.set.hold_count > bank.set.loaded_holds;

	for (int i = 0; i < bank.set.wallet_count; i++)
		changed = changed || bank.wallets[i].changes != 0;
	for (int i = 0; i < bank.set.loaded_holds; i++)
		changed = changed || bank.holds[i].is_changed;
	for (int i = 0; i < bank.set.original_count; i++)
		changed = changed || bank.originals[i].is_changed;
	return changed;
}

static WalletCode
carry_out(const Operation *operation)
{
	bank_clock += any(400);
	bank_open(&bank, operation, 1, world_wallets, WALLETS, find_currency);
	load();
	return rules_judge(operation, &bank.set, &bank.effects);
}

static void
test_random(void)
{
	_Alignas(Operation) static unsigned char block[sizeof(Parts) + 8 * sizeof(Operation)];
	int done[KIND_END] = {0};
	int refusals = 0;
	bool sound = true;
	bool clean = true;

	for (int i = 0; i < OPERATIONS && sound && clean; i++)
	{
		Operation operation = any_operation(false);
		WalletCode code;

		if (i % WORLD_OPERATIONS == 0)
			begin_world();
		if (any(4) == 0)
		{
			operation.kind = KIND_GROUP;
			operation.source_wallet_id = operation.destination_wallet_id = 0;
			operation.parts = parts_init(block, 1 + any(4), 0);
			for (int j = 0; j < operation.parts->leg_count; j++)
				operation.parts->legs[j] = any_operation(true);
		}
		code = carry_out(&operation);
		done[operation.kind] += code == CODE_OK ? 1 : 0;
		refusals += code == CODE_OK ? 0 : 1;
		clean = code == CODE_OK || !has_changed();
		if (code == CODE_OK)
			store();
		sound = is_sound();
		if (!sound || !clean)
			printf("# operation %d, kind %s: %s\n", i, kind_name(operation.kind),
			       wallet_codes[code].name);
	}
	ok(sound, "money is conserved, and holds and reversals stay within bounds");
	ok(clean, "what is refused changes nothing");
	for (int i = 0; i < KIND_COUNT; i++)
	{
		RequestKind kind = all_kinds[i];

		if (kind != KIND_WALLET && kind != KIND_WALLET_READ && kind != KIND_GROUP_REVERSAL &&
		    (kind_infos[kind].uses & USE_REQUEST))
			ok(done[kind] > 100, "%s: carried out %d times", kind_name(kind), done[kind]);
	}
	ok(refusals > 100, "%d were refused", refusals);
}

int
main(void)
{
	test_random();
	return all_checked();
}
