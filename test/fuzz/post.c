/*
 * post.c
 *		Fuzzes the rules of posting with small banks and the requests made to them.
 *
 * The same requests are posted twice: one by one, each on the wallets as they
 * are stored, and in batches that keep the wallets in memory, some of them
 * undone and posted once more.  Both must end the same.  On the way: no
 * money is made or lost, no balance falls below its floor, each wallet's chain
 * of transfers is whole, and each answer is what 128-bit arithmetic says.
 */
#include "rules/rules.h"
#include "rules/wallet.h"

#include "../unit/bank.h"
#include "fuzz.h"

/* The first ones have the ids 1 …, and so have their users; the new ones come after them. */
#define WALLETS_MAX 16
#define WALLETS_FIRST 4
#define CURRENCIES 2
#define STEPS_MAX 64

typedef __int128 Wide;

typedef struct Bank
{
	Wallet wallets[WALLETS_MAX];
	int wallet_count;
} Bank;

/* One thing asked of a bank: an operation, or a change of status. */
typedef struct Step
{
	Operation operation;
	bool is_status_change;
	WalletStatus status;
	bool ends_batch;
	bool is_undone; /* the batch that ends here is posted twice */
} Step;

/* How a step ended. */
typedef struct Ended
{
	WalletCode code;
	int transfer_count;
	Transfer transfer;
	int outcome_count;
	Outcome outcome;
} Ended;

static Currency currencies[CURRENCIES];
static int64_t first_transfer_id;

/* ---- what is asked ---- */

static Bank
take_bank(Input *input)
{
	Bank bank = {.wallet_count = WALLETS_FIRST};

	first_transfer_id = take_byte(input);
	for (int i = 0; i < CURRENCIES; i++)
	{
		currencies[i] = (Currency){.minor_digits = take_below(input, MINOR_DIGITS_MAX + 1),
		                           .outside_wallet_id = -1 - i};
		snprintf(currencies[i].code, sizeof(currencies[i].code), "cu%c", 'a' + i);
	}
	for (int i = 0; i < WALLETS_FIRST; i++)
	{
		int64_t balance = take_int64(input);
		uint8_t traits = take_byte(input);

		bank.wallets[i] = (Wallet){
		    .wallet_id = i + 1,
		    .user_id = i + 1,
		    .balance = balance < 0 ? ~balance : balance,
		    .currency = currencies[traits % 8 == 7],
		    .status =
		        traits / 8 % 8 < STATUS_COUNT ? (WalletStatus) (traits / 8 % 8) : STATUS_ACTIVE,
		};
	}
	return bank;
}

static Step
take_step(Input *input, int64_t request_id)
{
	uint8_t how = take_byte(input);
	uint8_t who = take_byte(input);
	Step step = {.ends_batch = how & 0x80, .is_undone = how & 0x40};
	Operation *operation = &step.operation;

	operation->request_id = request_id;
	step.is_status_change = (how & 0x3F) == 0x3F;
	step.status = (WalletStatus) (who / 8 % STATUS_COUNT);
	operation->kind = all_kinds[(how & 0x3F) % KIND_COUNT];
	operation->source_wallet_id = who % 8;
	operation->destination_wallet_id = who / 8 % 8;
	if (operation->kind == KIND_DEPOSIT)
		operation->source_wallet_id = 0;
	if (operation->kind == KIND_WITHDRAWAL)
		operation->destination_wallet_id = 0;
	switch (who / 64)
	{
		case 0:
			operation->user_id = 0; /* a direct call */
			break;
		case 1:
			operation->user_id = operation->destination_wallet_id;
			break;
		default:
			operation->user_id = operation->source_wallet_id;
			break;
	}
	if (operation->kind == KIND_WALLET)
	{
		operation->user_id = 1 + who % 8;
		operation->source_wallet_id = operation->destination_wallet_id = 0;
		snprintf(operation->currency, sizeof(operation->currency), "cu%c", 'a' + who / 64);
	}
	operation->amount.digits = take_int64(input);
	operation->amount.scale = take_below(input, MINOR_DIGITS_MAX + 1);
	return step;
}

/* ---- what should come of it, computed in another way ---- */

static WalletCode
expected_amount(Amount amount, const Currency *currency, Wide *minor)
{
	Wide unit = 1;

	*minor = amount.digits;
	for (int i = 0; i < currency->minor_digits; i++)
		*minor *= 10;
	for (int i = 0; i < amount.scale; i++)
		unit *= 10;
	if (*minor % unit != 0)
		return CODE_AMOUNT_PRECISION;
	*minor /= unit;
	return *minor > INT64_MAX ? CODE_AMOUNT_TOO_LARGE : CODE_OK;
}

/* Source or destination is NULL for the outside and where there is none. */
static WalletCode
expected_code(const Operation *operation, const Wallet *source, const Wallet *destination)
{
	bool has_outside = operation->kind != KIND_TRANSACTION;
	const Wallet *own = source ? source : destination;
	const Wallet *both[] = {source, destination};
	Wide minor;
	WalletCode code;

	if (operation->amount.digits <= 0)
		return CODE_AMOUNT_NOT_POSITIVE;
	if (operation->source_wallet_id != 0 &&
	    operation->source_wallet_id == operation->destination_wallet_id)
		return CODE_SAME_WALLET;
	if (has_outside && own == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (!has_outside && source == NULL)
		return CODE_SOURCE_NOT_FOUND;
	if (!has_outside && destination == NULL)
		return CODE_DESTINATION_NOT_FOUND;
	if (operation->user_id != 0 && operation->user_id != own->user_id)
		return CODE_NOT_OWNER;
	for (int i = 0; i < 2; i++)
		if (both[i] != NULL && both[i]->status == STATUS_CLOSED)
			return CODE_WALLET_CLOSED;
	for (int i = 0; i < 2; i++)
		if (both[i] != NULL && both[i]->status == STATUS_FROZEN)
			return CODE_WALLET_FROZEN;
	if (!has_outside &&
	    source->currency.outside_wallet_id != destination->currency.outside_wallet_id)
		return CODE_CURRENCY_MISMATCH;
	code = expected_amount(operation->amount, &own->currency, &minor);
	if (code != CODE_OK)
		return code;
	if (source != NULL && (Wide) source->balance - minor < 0)
		return CODE_INSUFFICIENT_FUNDS;
	if (destination != NULL && (Wide) destination->balance + minor > INT64_MAX)
		return CODE_BALANCE_LIMIT;
	return CODE_OK;
}

static WalletCode
expected_new_wallet(const Operation *operation, bool user_has_wallet, const Currency *currency)
{
	Wide minor;

	if (operation->amount.digits < 0)
		return CODE_AMOUNT_NEGATIVE;
	if (currency == NULL)
		return CODE_UNKNOWN_CURRENCY;
	if (user_has_wallet)
		return CODE_WALLET_EXISTS;
	return expected_amount(operation->amount, currency, &minor);
}

static Wide
total(const Bank *bank, const Currency *currency)
{
	Wide sum = 0;

	for (int i = 0; i < bank->wallet_count; i++)
		if (bank->wallets[i].currency.outside_wallet_id == currency->outside_wallet_id)
			sum += bank->wallets[i].balance;
	return sum;
}

/* ---- carrying it out, as posting/ledger.c does ---- */

static bool
find_currency(const char *code, Currency *currency)
{
	int index = code[2] - 'a';

	if (index >= CURRENCIES)
		return false;
	*currency = currencies[index];
	return true;
}

/* What should come of the operation on the set as it is now. */
static WalletCode
expected(const Operation *operation, WorkingSet *set)
{
	Wallet *source = working_set_wallet(set, operation->source_wallet_id);
	Wallet *destination = working_set_wallet(set, operation->destination_wallet_id);
	Currency currency;

	if (operation->kind == KIND_WALLET)
		return expected_new_wallet(operation, touched_find(set, -operation->user_id)->is_there,
		                           find_currency(operation->currency, &currency) ? &currency
		                                                                         : NULL);
	if (operation->kind != KIND_WALLET_READ)
		return expected_code(operation, source, destination);
	if (source == NULL)
		return CODE_WALLET_NOT_FOUND;
	return source->user_id == operation->user_id ? CODE_OK : CODE_NOT_OWNER;
}

static WalletCode
carry_status(const Step *step, TestBank *bank)
{
	Wallet *wallet = working_set_wallet(&bank->set, step->operation.source_wallet_id);
	Wallet before = wallet != NULL ? *wallet : (Wallet){0};
	WalletCode code =
	    rule_status(step->operation.source_wallet_id, step->status, &bank->set, &bank->effects);

	if (code != CODE_OK)
		return code;
	EXPECT(before.status != STATUS_CLOSED || step->status == STATUS_CLOSED, "closed is final");
	EXPECT(before.balance == 0 || step->status != STATUS_CLOSED, "closed with money");
	EXPECT(wallet->changes & CHANGE_STATUS, "a change that nobody stores");
	return code;
}

static void
carry(TestBank *bank, const Step *step, Ended *ended)
{
	const Operation *operation = &step->operation;
	Effects *effects = &bank->effects;
	int transfers = effects->transfer_count;
	int outcomes = effects->outcome_count;

	memset(ended, 0, sizeof(*ended));
	if (step->is_status_change)
		ended->code = carry_status(step, bank);
	else
	{
		WalletCode should = expected(operation, &bank->set);

		ended->code = rules_judge(operation, &bank->set, effects);
		EXPECT(ended->code == should, "%s, not %s", wallet_codes[ended->code].name,
		       wallet_codes[should].name);
	}
	ended->transfer_count = effects->transfer_count - transfers;
	ended->outcome_count = effects->outcome_count - outcomes;
	if (ended->transfer_count > 0)
		ended->transfer = effects->transfers[transfers];
	if (ended->outcome_count > 0)
		ended->outcome = effects->outcomes[outcomes];
	EXPECT(ended->transfer_count <= 1 && ended->outcome_count <= 1,
	       "more than one operation makes");
}

/* The stored wallets with those that the operations touch. */
static void
open_bank(TestBank *bank, const Bank *stored, const Step *steps, int count)
{
	Operation operations[STEPS_MAX];

	for (int i = 0; i < count; i++)
		operations[i] = steps[i].operation;
	bank_open(bank, operations, count, stored->wallets, stored->wallet_count, find_currency);
	/* A clock that is set back at times. */
	bank->effects.moment = steps[0].operation.request_id ^ 3;
}

/* Whatever is not marked as changed is as it was stored. */
static void
store_bank(TestBank *bank, Bank *stored)
{
	effects_settle(&bank->set, &bank->effects);
	for (int i = 0; i < bank->set.wallet_count; i++)
	{
		Wallet *wallet = &bank->wallets[i];
		int at = 0;

		while (at < stored->wallet_count && stored->wallets[at].wallet_id != wallet->wallet_id)
			at++;
		EXPECT((at == stored->wallet_count) == (i >= bank->set.loaded_count), "wallet %lld",
		       (long long) wallet->wallet_id);
		if (i < bank->set.loaded_count && wallet->changes == 0)
			EXPECT(memcmp(wallet, &stored->wallets[at], sizeof(Wallet)) == 0,
			       "wallet %lld changed, and nobody marked it", (long long) wallet->wallet_id);
		if (at == stored->wallet_count)
			stored->wallet_count++;
		wallet->changes = 0;
		stored->wallets[at] = *wallet;
	}
	for (int i = 0; i < bank->effects.transfer_count; i++)
		EXPECT(bank->transfers[i].posted_at == bank->effects.moment, "two moments");
}

/* The transfers as they are stored: each step makes one or none. */
static void
take_transfers(const TestBank *bank, Ended *ended, int count)
{
	const Transfer *next = bank->transfers;

	for (int i = 0; i < count; i++)
	{
		if (ended[i].transfer_count > 0)
			ended[i].transfer = *next++;
	}
}

/* ---- what must hold ---- */

/* One side of a transfer: the wallet as it was, and as it is. */
static void
check_side(const Wallet *before, const Wallet *after, const Transfer *transfer, Wide change,
           int64_t balance, int64_t previous)
{
	EXPECT((Wide) after->balance - before->balance == change, "balance %lld after %lld",
	       (long long) after->balance, (long long) before->balance);
	EXPECT(balance == after->balance && previous == before->last_transfer_id &&
	           transfer->transfer_id > previous &&
	           after->last_transfer_id == transfer->transfer_id &&
	           after->updated_at == transfer->posted_at && after->updated_at >= before->updated_at,
	       "transfer %lld", (long long) transfer->transfer_id);
}

static void
check_step(const Bank *before, const Bank *after, const Ended *ended)
{
	const Transfer *transfer = &ended->transfer;

	for (int i = 0; i < after->wallet_count; i++)
	{
		const Wallet made = {.created_at = after->wallets[i].created_at};
		const Wallet *old = i < before->wallet_count ? &before->wallets[i] : &made;
		const Wallet *new = &after->wallets[i];
		bool pays = ended->transfer_count > 0 && transfer->source_wallet_id == new->wallet_id;
		bool gains = ended->transfer_count > 0 && transfer->destination_wallet_id == new->wallet_id;

		EXPECT(new->balance >= 0, "balance %lld", (long long) new->balance);
		if (pays)
			check_side(old, new, transfer, -(Wide) transfer->amount, transfer->source_balance,
			           transfer->source_previous);
		else if (gains)
			check_side(old, new, transfer, transfer->amount, transfer->destination_balance,
			           transfer->destination_previous);
		else
			EXPECT(new->balance == old->balance &&new->last_transfer_id == old->last_transfer_id,
			       "wallet %d changed by somebody else's transfer", i + 1);
	}
	for (int i = 0; i < CURRENCIES; i++)
	{
		int64_t outside_id = currencies[i].outside_wallet_id;
		Wide change = total(after, &currencies[i]) - total(before, &currencies[i]);
		Wide outside = 0;

		if (ended->transfer_count > 0 && transfer->source_wallet_id == outside_id)
			outside = -(Wide) transfer->amount;
		if (ended->transfer_count > 0 && transfer->destination_wallet_id == outside_id)
			outside = transfer->amount;
		EXPECT(change + outside == 0, "money was made or lost");
	}
	EXPECT(ended->transfer_count == 0 || transfer->amount > 0, "nothing moved");
}

/* Moments depend on who is posted together; the rest does not. */
static void
forget_moments(Bank *bank, Ended *ended, int count)
{
	for (int i = 0; i < bank->wallet_count; i++)
		bank->wallets[i].created_at = bank->wallets[i].updated_at = 0;
	for (int i = 0; i < count; i++)
	{
		ended[i].transfer.posted_at = ended[i].outcome.updated_at = 0;
		ended[i].outcome.sees_changes = false;
	}
}

/* One by one, each on the stored wallets. */
static void
run_direct(Bank *stored, const Step *steps, int count, Ended *ended)
{
	static TestBank bank;

	bank_last_transfer_id = first_transfer_id;
	bank_last_wallet_id = WALLETS_FIRST;
	for (int i = 0; i < count; i++)
	{
		Bank before = *stored;

		open_bank(&bank, stored, &steps[i], 1);
		carry(&bank, &steps[i], &ended[i]);
		store_bank(&bank, stored);
		take_transfers(&bank, &ended[i], 1);
		check_step(&before, stored, &ended[i]);
	}
	forget_moments(stored, ended, count);
}

/* The wallets are read at the beginning of a batch and stored at its end. */
static void
run_batches(Bank *stored, const Step *steps, int count, Ended *ended)
{
	static TestBank bank;

	bank_last_transfer_id = first_transfer_id;
	bank_last_wallet_id = WALLETS_FIRST;
	for (int from = 0, to; from < count; from = to)
	{
		int64_t transfer_id = bank_last_transfer_id;
		int64_t wallet_id = bank_last_wallet_id;
		EffectsMark mark;

		for (to = from + 1; to < count && !steps[to - 1].ends_batch;)
			to++;
		open_bank(&bank, stored, &steps[from], to - from);
		mark = effects_mark(&bank.set, &bank.effects);
		for (int i = from; i < to; i++)
			carry(&bank, &steps[i], &ended[i]);
		if (steps[to - 1].is_undone)
		{
			effects_undo(&bank.set, &bank.effects, &mark);
			EXPECT(bank.effects.transfer_count == 0 && bank.effects.outcome_count == 0,
			       "something is left");
			bank_last_transfer_id = transfer_id;
			bank_last_wallet_id = wallet_id;
			for (int i = from; i < to; i++)
				carry(&bank, &steps[i], &ended[i]);
		}
		store_bank(&bank, stored);
		take_transfers(&bank, &ended[from], to - from);
	}
	forget_moments(stored, ended, count);
}

/* Member by member: what stands between the members of a struct says nothing. */
static bool
is_same_transfer(const Transfer *a, const Transfer *b)
{
	return a->transfer_id == b->transfer_id && a->request_id == b->request_id &&
	       a->kind == b->kind && a->source_wallet_id == b->source_wallet_id &&
	       a->destination_wallet_id == b->destination_wallet_id && a->amount == b->amount &&
	       a->source_balance == b->source_balance &&
	       a->destination_balance == b->destination_balance &&
	       a->source_previous == b->source_previous &&
	       a->destination_previous == b->destination_previous && a->posted_at == b->posted_at;
}

static bool
is_same_outcome(const Outcome *a, const Outcome *b)
{
	return a->request_id == b->request_id && a->code == b->code &&
	       a->sees_changes == b->sees_changes && a->wallet_id == b->wallet_id &&
	       a->balance == b->balance && a->updated_at == b->updated_at && a->status == b->status;
}

static bool
is_same_end(const Ended *a, const Ended *b)
{
	return a->code == b->code && a->transfer_count == b->transfer_count &&
	       a->outcome_count == b->outcome_count && is_same_transfer(&a->transfer, &b->transfer) &&
	       is_same_outcome(&a->outcome, &b->outcome);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Step steps[STEPS_MAX];
	static Ended direct_ended[STEPS_MAX];
	static Ended batch_ended[STEPS_MAX];
	Input input = {data, size};
	Bank direct = take_bank(&input);
	Bank batched = direct;
	int count = 0;
	WalletStatus status;
	RequestKind kind;

	while (input.size > 0 && count < STEPS_MAX)
	{
		steps[count] = take_step(&input, count + 1);
		count++;
	}
	run_direct(&direct, steps, count, direct_ended);
	run_batches(&batched, steps, count, batch_ended);
	EXPECT(memcmp(&direct, &batched, sizeof(direct)) == 0, "the wallets differ");
	for (int i = 0; i < count; i++)
	{
		EXPECT(is_same_end(&direct_ended[i], &batch_ended[i]), "step %d differs", i);
		EXPECT(kind_from_name(kind_name(steps[i].operation.kind), &kind) &&
		           kind == steps[i].operation.kind,
		       "kind %d", (int) kind);
		EXPECT(status_from_name(status_names[steps[i].status], &status) &&
		           status == steps[i].status,
		       "status %d", (int) status);
	}
	return 0;
}
