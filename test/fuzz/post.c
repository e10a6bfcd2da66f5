/*
 * post.c
 *		Fuzzes the rules of posting with small banks and the requests made to them.
 *
 * The same requests are posted twice: one by one, each on what is stored, and in batches that keep
 * wallets and holds in memory, some of them undone and posted once more.  Both must end the same.
 * On the way: no money is made or lost, each wallet's chain of rows is whole, what a wallet holds
 * is what its open holds reserve, nothing is reversed beyond its amount, and each answer is the
 * one of expected.h.  A group must do what its legs do one by one.
 */
#include "rules/rules.h"
#include "rules/wallet.h"

#include "../unit/bank.h"
#include "fuzz.h"

#include "asked.h"
#include "expected.h"
#include "invariants.h"

/* How a step ended. */
typedef struct Ended
{
	WalletCode code;
	int failed_leg;
	int outcome_count;
	Outcome outcome;
} Ended;

/* ---- Carrying it out, as posting/ledger.c does ---- */

static bool
find_currency(const char *code, Currency *currency)
{
	int index = code[2] - 'a';

	if (index >= CURRENCIES)
		return false;
	*currency = currencies[index];
	return true;
}

/* A leg as the group's asker asks for it. */
static Operation
leg_of(const Operation *group, int number)
{
	Operation leg = group->parts->legs[number];

	leg.user_id = group->user_id;
	leg.may_reverse = group->may_reverse;
	leg.max_amount = group->max_amount;
	return leg;
}

/* Is this row of a group one of those that the group's reversal leaves alone? */
static bool
is_left_alone(const Operation *group, const WorkingSet *set, const Operation *leg)
{
	const Original *original = working_set_original(set, leg->link_id);

	return group->kind == KIND_GROUP_REVERSAL &&
	       (original->kind == KIND_REVERSAL || !kind_moves_money(original->kind) ||
	        original->reversed == original->amount ||
	        (group->keep_fees && original->kind == KIND_FEE));
}

/* Carries out the legs one by one, and undoes them.  Sets the leg that fails, from 1. */
static WalletCode
expected_group(const Operation *group, TestBank *bank, int *failed_leg)
{
	EffectsMark mark = effects_mark(&bank->set, &bank->effects);
	WalletCode code = CODE_OK;
	int legs = 0;

	for (int i = 0; i < group->parts->leg_count && code == CODE_OK; i++)
	{
		Operation leg = leg_of(group, i);
		WalletCode should;

		if (is_left_alone(group, &bank->set, &leg))
			continue;
		legs++;
		should = expected_code(&leg, &bank->set, bank->effects.moment, bank->effects.clock,
		                       find_currency);
		code = rules_carry_out(&leg, &bank->set, &bank->effects);
		EXPECT(code == should, "leg %d: %s, not %s", i, wallet_codes[code].name,
		       wallet_codes[should].name);
	}
	effects_undo(&bank->set, &bank->effects, &mark);
	*failed_leg = code == CODE_OK ? 0 : legs;
	return legs == 0 ? CODE_COUNT : code;
}

static void
check_group(const Operation *group, TestBank *bank, Ended *ended)
{
	WalletCode should = operation_check(group, bank->effects.moment);
	bool is_late = group->valid_until != 0 && group->valid_until < bank->effects.clock;
	int failed_leg = 0;

	if (should != CODE_OK)
		failed_leg = 1 + operation_find_leg(group, bank->effects.moment, should);
	else if (is_late)
		should = CODE_REQUEST_EXPIRED;
	if (should == CODE_OK)
		should = group->parts == NULL ? CODE_TRANSACTION_NOT_FOUND
		                              : expected_group(group, bank, &failed_leg);
	ended->code = rules_judge(group, &bank->set, &bank->effects);
	ended->failed_leg = bank->effects.failed_leg;
	if (should == CODE_COUNT)
		EXPECT(ended->code == CODE_NOT_REVERSIBLE || ended->code == CODE_ALREADY_REVERSED ||
		           ended->code == CODE_NOT_OWNER,
		       "nothing is left, and %s", wallet_codes[ended->code].name);
	else
		EXPECT(ended->code == should && ended->failed_leg == failed_leg,
		       "%s of leg %d, not %s of %d", wallet_codes[ended->code].name, ended->failed_leg,
		       wallet_codes[should].name, failed_leg);
}

static WalletCode
change_status(const Step *step, TestBank *bank)
{
	int64_t wallet_id = step->operation.source_wallet_id;
	Wallet *wallet = working_set_wallet(&bank->set, wallet_id);
	Wallet before = wallet != NULL ? *wallet : (Wallet){0};
	WalletCode code = rule_status(wallet_id, step->status, &bank->set, &bank->effects);

	if (code != CODE_OK)
		return code;
	EXPECT(before.status != STATUS_CLOSED || step->status != STATUS_FROZEN, "closed, then frozen");
	EXPECT(step->status != STATUS_CLOSED || before.status == STATUS_CLOSED ||
	           (wallet->balance == 0 && wallet->held == 0),
	       "closed with money");
	EXPECT(before.status == step->status || wallet->changes & CHANGE_STATUS,
	       "a change that nobody stores");
	return code;
}

static WalletCode
close_wallet(const Step *step, TestBank *bank)
{
	WalletCode code = rule_close(&step->operation, &bank->set, &bank->effects);
	const Wallet *wallet = working_set_wallet(&bank->set, step->operation.source_wallet_id);

	EXPECT(code != CODE_OK ||
	           (wallet->status == STATUS_CLOSED && wallet->balance == 0 && wallet->held == 0),
	       "closed with money");
	return code;
}

static WalletCode
change_limits(const Step *step, TestBank *bank)
{
	WalletCode code =
	    rule_limits(step->operation.source_wallet_id, &step->limits, &bank->set, &bank->effects);
	const Wallet *wallet = working_set_wallet(&bank->set, step->operation.source_wallet_id);

	EXPECT(code != CODE_OK || (wallet->floor <= wallet->ceiling && wallet->floor > INT64_MIN),
	       "floor %lld", (long long) wallet->floor);
	return code;
}

static void
ask(const Operation *operation, TestBank *bank, Ended *ended)
{
	bool is_group = operation->kind == KIND_GROUP || operation->kind == KIND_GROUP_REVERSAL;
	WalletCode should;

	/* What fails in a marked set is undone by the caller. */
	if (is_group && bank->set.is_marked)
		ended->code = rules_judge(operation, &bank->set, &bank->effects);
	else if (is_group)
		check_group(operation, bank, ended);
	else
	{
		should = expected_code(operation, &bank->set, bank->effects.moment, bank->effects.clock,
		                       find_currency);
		ended->code = rules_judge(operation, &bank->set, &bank->effects);
		EXPECT(ended->code == should, "kind %d: %s, not %s", (int) operation->kind,
		       wallet_codes[ended->code].name, wallet_codes[should].name);
	}
}

static void
carry(TestBank *bank, const Step *step, Ended *ended)
{
	int outcomes = bank->effects.outcome_count;

	memset(ended, 0, sizeof(*ended));
	switch (step->way)
	{
		case ASK:
			ask(&step->operation, bank, ended);
			break;
		case CHANGE_THE_STATUS:
			ended->code = change_status(step, bank);
			break;
		case CHANGE_THE_LIMITS:
			ended->code = change_limits(step, bank);
			break;
		case CLOSE:
			ended->code = close_wallet(step, bank);
			break;
	}
	ended->outcome_count = bank->effects.outcome_count - outcomes;
	EXPECT(ended->outcome_count <= 1, "more than one outcome");
	if (ended->outcome_count > 0)
		ended->outcome = bank->effects.outcomes[outcomes];
}

/* Does one of the operations, or of their legs, name this? */
static bool
is_named(const Step *steps, int count, int64_t link_id)
{
	for (int i = 0; i < count; i++)
	{
		const Parts *parts = steps[i].operation.parts;

		if (steps[i].operation.link_id == link_id)
			return true;
		for (int j = 0; parts != NULL && j < parts->leg_count; j++)
		{
			if (parts->legs[j].link_id == link_id)
				return true;
		}
	}
	return false;
}

/* Each wallet once, and as many as there is room for. */
static void
check_keys(const Operation *operations, int count)
{
	int64_t keys[OPERATION_KEYS_MAX];

	for (int i = 0; i < count; i++)
	{
		int found = operation_keys(&operations[i], keys);

		EXPECT(found <= operation_keys_max(&operations[i]), "%d keys", found);
		for (int j = 0; j < found; j++)
			for (int k = 0; k < j; k++)
				EXPECT(keys[j] != keys[k], "key %lld twice", (long long) keys[j]);
	}
}

/* What is stored of all that the operations touch. */
static void
open_bank(TestBank *bank, const Bank *stored, const Step *steps, int count, int64_t clock)
{
	static Operation operations[STEPS_MAX];
	int holds = 0;
	int originals = 0;

	for (int i = 0; i < count; i++)
		operations[i] = steps[i].operation;
	check_keys(operations, count);
	bank_clock = clock;
	bank_open(bank, operations, count, stored->wallets, stored->wallet_count, find_currency);
	bank->effects.hold_expiry = is_set_back ? INT64_C(1) << 40 : 100;
	for (int i = 0; i < stored->hold_count; i++)
	{
		const Hold *hold = &stored->holds[i];
		bool is_due = hold->state == HOLD_OPEN && hold->expires_at <= bank->effects.moment &&
		              working_set_wallet(&bank->set, hold->source_wallet_id) != NULL;

		if (is_due || is_named(steps, count, hold->hold_id))
			bank->holds[holds++] = *hold;
	}
	working_set_load_holds(&bank->set, holds, bank->effects.moment);
	for (int i = 0; i < stored->row_count; i++)
	{
		const Transfer *row = &stored->rows[i];

		if (is_named(steps, count, row->transfer_id) && originals < BANK_HOLDS)
			bank->originals[originals++] = (Original){
			    .transfer_id = row->transfer_id,
			    .kind = row->kind,
			    .source_wallet_id = row->source_wallet_id,
			    .destination_wallet_id = row->destination_wallet_id,
			    .amount = row->amount,
			    .reversed = stored->reversed[i],
			};
	}
	working_set_load_originals(&bank->set, originals);
}

static void
store_wallet(Bank *stored, const TestBank *bank, int place)
{
	Wallet wallet = bank->wallets[place];
	int at = 0;

	while (at < stored->wallet_count && stored->wallets[at].wallet_id != wallet.wallet_id)
		at++;
	EXPECT((at == stored->wallet_count) == (place >= bank->set.loaded_count), "wallet %lld",
	       (long long) wallet.wallet_id);
	wallet.due = wallet.first_due = 0;
	if (place < bank->set.loaded_count && wallet.changes == 0)
		EXPECT(memcmp(&wallet, &stored->wallets[at], sizeof(Wallet)) == 0,
		       "wallet %lld changed, and nobody marked it", (long long) wallet.wallet_id);
	if (at == stored->wallet_count)
		stored->wallet_count++;
	wallet.changes = 0;
	stored->wallets[at] = wallet;
}

static void
store_hold(Bank *stored, const TestBank *bank, int place)
{
	Hold hold = bank->holds[place];
	int at = 0;

	while (at < stored->hold_count && stored->holds[at].hold_id != hold.hold_id)
		at++;
	EXPECT((at == stored->hold_count) == (place >= bank->set.loaded_holds), "hold %lld",
	       (long long) hold.hold_id);
	EXPECT(at == stored->hold_count || hold.is_changed ||
	           (hold.rest == stored->holds[at].rest && hold.state == stored->holds[at].state &&
	            hold.captured == stored->holds[at].captured),
	       "hold %lld changed, and nobody marked it", (long long) hold.hold_id);
	if (at == stored->hold_count)
		stored->hold_count++;
	hold.is_changed = false;
	hold.next_due = 0;
	stored->holds[at] = hold;
}

static void
store_bank(TestBank *bank, Bank *stored)
{
	effects_settle(&bank->set, &bank->effects);
	for (int i = 0; i < bank->set.wallet_count; i++)
		store_wallet(stored, bank, i);
	for (int i = 0; i < bank->set.hold_count; i++)
		store_hold(stored, bank, i);
	for (int i = 0; i < bank->set.original_count; i++)
	{
		int at = 0;

		while (stored->rows[at].transfer_id != bank->originals[i].transfer_id)
			at++;
		EXPECT(bank->originals[i].is_changed || bank->originals[i].reversed == stored->reversed[at],
		       "a sum that nobody stores");
		stored->reversed[at] = bank->originals[i].reversed;
	}
	for (int i = 0; i < bank->effects.transfer_count; i++)
	{
		EXPECT(bank->transfers[i].posted_at == bank->effects.moment, "two moments");
		stored->rows[stored->row_count++] = bank->transfers[i];
	}
}

/* ---- The two ways ---- */

/* What the clock says when a batch begins; set back at times, where nothing expires. */
static int64_t
clock_of(const Step *first)
{
	return is_set_back ? first->operation.request_id ^ 3 : 8 * first->operation.request_id;
}

/* How many steps the batch has that begins here. */
static int
batch_size(const Step *steps, int count)
{
	int size = 1;

	while (size < count && !steps[size - 1].ends_batch)
		size++;
	return size;
}

/* One by one, each on what is stored; what is named has been stored before the batch. */
static void
run_direct(Bank *stored, Step *steps, int count, Ended *ended)
{
	static TestBank bank;
	static Bank before;

	for (int from = 0, size; from < count; from += size)
	{
		size = batch_size(steps + from, count - from);
		for (int i = from; i < from + size; i++)
			resolve_step(stored, &steps[i]);
		for (int i = from; i < from + size; i++)
		{
			before = *stored;
			open_bank(&bank, stored, &steps[i], 1, clock_of(&steps[from]));
			carry(&bank, &steps[i], &ended[i]);
			store_bank(&bank, stored);
			check_step(&steps[i], &before, stored, ended[i].code);
		}
	}
}

/* What is stored is read at the beginning of a batch, and written at its end. */
static void
run_batches(Bank *stored, Step *steps, int count, Ended *ended)
{
	static TestBank bank;

	for (int from = 0, size; from < count; from += size)
	{
		int64_t wallet_id = bank_last_wallet_id;

		size = batch_size(steps + from, count - from);
		open_bank(&bank, stored, &steps[from], size, clock_of(&steps[from]));
		if (steps[from + size - 1].is_undone)
		{
			EffectsMark mark = effects_mark(&bank.set, &bank.effects);

			for (int i = from; i < from + size; i++)
				carry(&bank, &steps[i], &ended[i]);
			effects_undo(&bank.set, &bank.effects, &mark);
			EXPECT(bank.effects.transfer_count == 0 && bank.effects.outcome_count == 0,
			       "something is left");
			bank_last_wallet_id = wallet_id;
		}
		for (int i = from; i < from + size; i++)
			carry(&bank, &steps[i], &ended[i]);
		store_bank(&bank, stored);
	}
}

/* ---- Comparison: moments depend on who is posted together, where the clock was set back ---- */

/* Member by member: what stands between the members of a struct says nothing. */
static bool
is_same_row(const Transfer *a, const Transfer *b)
{
	return a->transfer_id == b->transfer_id && a->request_id == b->request_id &&
	       a->kind == b->kind && a->source_wallet_id == b->source_wallet_id &&
	       a->destination_wallet_id == b->destination_wallet_id && a->amount == b->amount &&
	       a->source_balance == b->source_balance &&
	       a->destination_balance == b->destination_balance &&
	       a->source_previous == b->source_previous &&
	       a->destination_previous == b->destination_previous && a->held == b->held &&
	       a->link_id == b->link_id && a->group_id == b->group_id &&
	       a->group_size == b->group_size && a->max_capture == b->max_capture &&
	       a->overdraw == b->overdraw &&
	       (is_set_back || (a->posted_at == b->posted_at && a->expires_at == b->expires_at));
}

static bool
is_same_wallet(const Wallet *a, const Wallet *b)
{
	return a->wallet_id == b->wallet_id && a->user_id == b->user_id && a->balance == b->balance &&
	       a->held == b->held && a->floor == b->floor && a->ceiling == b->ceiling &&
	       a->last_transfer_id == b->last_transfer_id && a->status == b->status;
}

static bool
is_same_hold(const Hold *a, const Hold *b)
{
	return a->hold_id == b->hold_id && a->source_wallet_id == b->source_wallet_id &&
	       a->destination_wallet_id == b->destination_wallet_id && a->rest == b->rest &&
	       a->captured == b->captured && a->max_capture == b->max_capture && a->state == b->state &&
	       (is_set_back || a->expires_at == b->expires_at);
}

static bool
is_same_end(const Ended *a, const Ended *b)
{
	return a->code == b->code && a->outcome_count == b->outcome_count &&
	       a->outcome.request_id == b->outcome.request_id && a->outcome.code == b->outcome.code &&
	       a->outcome.failed_leg == b->outcome.failed_leg &&
	       a->outcome.wallet_id == b->outcome.wallet_id &&
	       a->outcome.balance == b->outcome.balance && a->outcome.status == b->outcome.status;
}

static void
check_same(const Bank *direct, const Bank *batched)
{
	EXPECT(direct->wallet_count == batched->wallet_count &&
	           direct->hold_count == batched->hold_count && direct->row_count == batched->row_count,
	       "%d rows, not %d", batched->row_count, direct->row_count);
	for (int i = 0; i < direct->wallet_count; i++)
		EXPECT(is_same_wallet(&direct->wallets[i], &batched->wallets[i]), "wallet %d differs",
		       i + 1);
	for (int i = 0; i < direct->hold_count; i++)
		EXPECT(is_same_hold(&direct->holds[i], &batched->holds[i]), "hold %d differs", i);
	for (int i = 0; i < direct->row_count; i++)
		EXPECT(is_same_row(&direct->rows[i], &batched->rows[i]) &&
		           direct->reversed[i] == batched->reversed[i],
		       "row %d differs", i);
}

static void
begin_run(void)
{
	bank_last_transfer_id = first_transfer_id;
	bank_last_wallet_id = WALLETS_FIRST;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Step steps[STEPS_MAX];
	static Ended direct_ended[STEPS_MAX];
	static Ended batch_ended[STEPS_MAX];
	static Bank direct;
	static Bank batched;
	Input input = {data, size};
	int count = 0;

	direct = batched = take_bank(&input);
	while (input.size > 0 && count < STEPS_MAX)
	{
		take_step(&input, count + 1, &steps[count]);
		count++;
	}
	begin_run();
	run_direct(&direct, steps, count, direct_ended);
	begin_run();
	run_batches(&batched, steps, count, batch_ended);
	for (int i = 0; i < count; i++)
		EXPECT(is_same_end(&direct_ended[i], &batch_ended[i]), "step %d differs", i);
	check_same(&direct, &batched);
	return 0;
}
