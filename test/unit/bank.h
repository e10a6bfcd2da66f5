/*
 * bank.h
 *		A few wallets in memory, for programs that try the rules without a server.
 *
 * bank_open() does what posting/ledger.c does with tables: it finds what the operations touch and
 * loads that from an array of wallets.  Then rules_judge() with bank.set and bank.effects carries
 * out one operation after the other.
 */
#ifndef PG_WALLET_TEST_BANK_H
#define PG_WALLET_TEST_BANK_H

#include "rules/rules.h"

#define BANK_OPERATIONS 64
#define BANK_KEYS (BANK_OPERATIONS * PLAIN_KEYS_MAX)
#define BANK_HOLDS 256

typedef struct TestBank
{
	WorkingSet set;
	Effects effects;
	Touched touched[256];
	Wallet wallets[BANK_KEYS];
	Hold holds[BANK_HOLDS];
	Original originals[BANK_HOLDS];
	Before befores[BANK_KEYS + 4 * BANK_HOLDS];
	Transfer transfers[BANK_OPERATIONS + BANK_HOLDS];
	Outcome outcomes[BANK_OPERATIONS];
} TestBank;

/* The last ids that were drawn; the stored wallets of a test have smaller ids. */
static int64_t bank_last_transfer_id;
static int64_t bank_last_wallet_id = 1000;

/* What the clock says when a bank is opened. */
static int64_t bank_clock;

static int64_t
bank_draw_transfer_id(int64_t above, int to_come)
{
	(void) above, (void) to_come;
	return ++bank_last_transfer_id;
}

static int64_t
bank_draw_wallet_id(void)
{
	return ++bank_last_wallet_id;
}

/*
 * Touch what count operations touch (BANK_OPERATIONS at the most) and load that from the stored
 * wallets, which are in the order of their ids.  The user who owns a stored wallet has a wallet.
 */
static void
bank_open(TestBank *bank, const Operation *operations, int count, const Wallet *stored,
          int stored_count, bool (*find_currency)(const char *code, Currency *currency))
{
	int loaded = 0;

	*bank = (TestBank){
	    .set =
	        {
	            .touched_max = sizeof(bank->touched) / sizeof(bank->touched[0]),
	            .wallets_max = BANK_KEYS,
	            .holds_max = BANK_HOLDS,
	            .originals_max = BANK_HOLDS,
	            .befores_max = BANK_KEYS + 4 * BANK_HOLDS,
	            .find_currency = find_currency,
	        },
	    .effects =
	        {
	            .hold_expiry = INT64_C(7) * 24 * 3600 * 1000000,
	            .transfers_max = BANK_OPERATIONS + BANK_HOLDS,
	            .outcomes_max = BANK_OPERATIONS,
	            .draw_transfer_id = bank_draw_transfer_id,
	            .draw_wallet_id = bank_draw_wallet_id,
	        },
	};
	bank->set.touched = bank->touched;
	bank->set.wallets = bank->wallets;
	bank->set.holds = bank->holds;
	bank->set.originals = bank->originals;
	bank->set.befores = bank->befores;
	bank->effects.transfers = bank->transfers;
	bank->effects.outcomes = bank->outcomes;
	for (int i = 0; i < count; i++)
		working_set_touch(&bank->set, &operations[i]);
	for (int i = 0; i < stored_count; i++)
	{
		Touched *user = touched_find(&bank->set, -stored[i].user_id);

		if (touched_find(&bank->set, stored[i].wallet_id) != NULL)
			bank->wallets[loaded++] = stored[i];
		if (user != NULL)
			user->is_there = true;
	}
	working_set_load(&bank->set, loaded);
	effects_begin(&bank->effects, &bank->set, bank_clock);
}

#endif /* PG_WALLET_TEST_BANK_H */
