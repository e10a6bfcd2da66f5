/*
 * working_set_test.c
 *		The working set and the effects of a batch, without a server, as TAP: what waits, what is
 * found, which moment a batch has, and what is taken back.
 */
#include "rules/rules.h"
#include "rules/wallet.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "wallets.h"

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
	bank_clock = 1000;
	bank_open(&bank, operations, LENGTH(operations), wallets, LENGTH(wallets), find_currency);
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
	bank_clock = 1000;
	bank_open(&bank, operations, LENGTH(operations), wallets, LENGTH(wallets), find_currency);
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
		ok(bank.effects.transfer_count == 1 && bank.effects.outcome_count == 0,
		   "transfers and outcomes are too");
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

/* Due holds count nowhere; those that are read later are entered once, and expire with the others.
 */
static void
test_due(void)
{
	Wallet wallet = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	Operation payment = {.kind = KIND_WITHDRAWAL, .source_wallet_id = 1, .amount = {1, 0}};
	static const Hold holds[] = {
	    {.hold_id = 11, .source_wallet_id = 1, .rest = 40, .max_capture = 40, .expires_at = 500},
	    {.hold_id = 12, .source_wallet_id = 1, .rest = 20, .max_capture = 20, .expires_at = 501},
	    {.hold_id = 13, .source_wallet_id = 1, .state = HOLD_STATE_VOIDED, .expires_at = 400},
	    {.hold_id = 14, .source_wallet_id = 2, .rest = 9, .max_capture = 9, .expires_at = 400},
	};
	static const Hold later[] = {
	    {.hold_id = 14, .source_wallet_id = 2, .rest = 9, .max_capture = 9, .expires_at = 400},
	    {.hold_id = 11, .source_wallet_id = 1, .rest = 40, .max_capture = 40, .expires_at = 500},
	    {.hold_id = 10, .source_wallet_id = 1, .rest = 30, .max_capture = 30, .expires_at = 300},
	};

	wallet.held = 90;
	bank_clock = 500;
	bank_open(&bank, &payment, 1, &wallet, 1, find_currency);
	memcpy(bank.holds, holds, sizeof(holds));
	working_set_load_holds(&bank.set, LENGTH(holds), bank.effects.moment);
	ok(bank.wallets[0].due == 40, "a hold is due at its very end, and not a moment before");
	memcpy(&bank.holds[LENGTH(holds)], later, sizeof(later));
	ok(working_set_add_due(&bank.set, LENGTH(later)) == 1 && bank.wallets[0].due == 70 &&
	       bank.set.hold_count == LENGTH(holds) + 1,
	   "a hold that is there already, or of no wallet here, is not entered");
	effects_expire_due(&bank.set, &bank.effects, &bank.wallets[0]);
	ok(bank.wallets[0].held == 20 && bank.wallets[0].due == 0 && bank.effects.transfer_count == 2,
	   "all due holds expire");
	ok(working_set_hold(&bank.set, 12)->state == HOLD_OPEN, "the others stay open");
}

int
main(void)
{
	test_moment();
	test_due();
	test_waiting();
	test_touched();
#ifndef NDEBUG
	test_room();
#endif
	test_undo();
	return all_checked();
}
