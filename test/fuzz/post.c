/*
 * post.c
 *		Fuzzes the rules of posting with small banks and the requests made to them.
 *
 * The same requests are posted twice: one by one, each on the wallets as they
 * are stored, and in batches that keep the wallets in memory, some of them
 * rolled back and posted once more.  Both must end the same.  On the way: no
 * money is made or lost, no balance falls below its floor, each wallet's chain
 * of transfers is whole, and each answer is what 128-bit arithmetic says.
 */
#include "rules/post.h"

#include "fuzz.h"

/* Their ids are 1 …, and so are their users'; those not made yet come last. */
#define WALLETS_MAX 6
#define WALLETS_FIRST 4
#define CURRENCIES 2
#define STEPS_MAX 64

typedef __int128 Wide;

typedef struct Bank
{
	Wallet wallets[WALLETS_MAX];
	int wallet_count;
	int64_t last_transfer_id;
} Bank;

/* One thing asked of a bank: a request, or a change of status. */
typedef struct Step
{
	Request request;
	bool is_status_change;
	WalletStatus status;
	bool ends_batch;
	bool rolls_back; /* the batch that ends here is posted twice */
} Step;

/* How a step ended. */
typedef struct Ended
{
	WalletCode code;
	bool has_transfer;
	Transfer transfer;
} Ended;

static Currency currencies[CURRENCIES];

/* ---- what is asked ---- */

static Bank
take_bank(Input *input)
{
	Bank bank = {.wallet_count = WALLETS_FIRST, .last_transfer_id = take_byte(input)};

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
	Step step = {.ends_batch = how & 0x80, .rolls_back = how & 0x40};
	Request *request = &step.request;

	request->request_id = request_id;
	step.is_status_change = (how & 0x3F) == 0x3F;
	step.status = (WalletStatus) (who / 8 % STATUS_COUNT);
	request->kind = all_kinds[(how & 0x3F) % KIND_COUNT];
	request->source_wallet_id = who % 8;
	request->destination_wallet_id = who / 8 % 8;
	if (request->kind == KIND_DEPOSIT)
		request->source_wallet_id = 0;
	if (request->kind == KIND_WITHDRAWAL)
		request->destination_wallet_id = 0;
	switch (who / 64)
	{
		case 0:
			request->user_id = 0; /* a direct call */
			break;
		case 1:
			request->user_id = request->destination_wallet_id;
			break;
		default:
			request->user_id = request->source_wallet_id;
			break;
	}
	if (request->kind == KIND_WALLET)
		snprintf(request->currency, sizeof(request->currency), "cu%c", 'a' + who / 64);
	request->amount.digits = take_int64(input);
	request->amount.scale = take_below(input, MINOR_DIGITS_MAX + 1);
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
expected_code(const Request *request, const Wallet *source, const Wallet *destination)
{
	bool has_outside = request->kind != KIND_TRANSACTION;
	const Wallet *own = source ? source : destination;
	const Wallet *both[] = {source, destination};
	Wide minor;
	WalletCode code;

	if (request->amount.digits <= 0)
		return CODE_AMOUNT_NOT_POSITIVE;
	if (request->source_wallet_id == request->destination_wallet_id)
		return CODE_SAME_WALLET;
	if (has_outside && own == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (!has_outside && source == NULL)
		return CODE_SOURCE_NOT_FOUND;
	if (!has_outside && destination == NULL)
		return CODE_DESTINATION_NOT_FOUND;
	if (request->user_id != 0 && request->user_id != own->user_id)
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
	code = expected_amount(request->amount, &own->currency, &minor);
	if (code != CODE_OK)
		return code;
	if (source != NULL && (Wide) source->balance - minor < 0)
		return CODE_INSUFFICIENT_FUNDS;
	if (destination != NULL && (Wide) destination->balance + minor > INT64_MAX)
		return CODE_BALANCE_LIMIT;
	return CODE_OK;
}

static WalletCode
expected_new_wallet(const Request *request, bool user_has_wallet, const Currency *currency)
{
	Wide minor;

	if (request->amount.digits < 0)
		return CODE_AMOUNT_NEGATIVE;
	if (currency == NULL)
		return CODE_UNKNOWN_CURRENCY;
	if (user_has_wallet)
		return CODE_WALLET_EXISTS;
	return expected_amount(request->amount, currency, &minor);
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

/* ---- carrying it out, as batch.c and direct.c do ---- */

static Wallet *
find_wallet(Bank *bank, int64_t wallet_id)
{
	return wallet_id >= 1 && wallet_id <= bank->wallet_count ? &bank->wallets[wallet_id - 1] : NULL;
}

static void
carry_money(Bank *bank, const Request *request, Ended *ended)
{
	Wallet *source = find_wallet(bank, request->source_wallet_id);
	Wallet *destination = find_wallet(bank, request->destination_wallet_id);
	WalletCode expected = expected_code(request, source, destination);
	Wallet outside;
	int64_t amount;

	if (request->kind == KIND_DEPOSIT && destination != NULL)
		source = &outside, outside = outside_wallet(&destination->currency);
	else if (request->kind == KIND_WITHDRAWAL && source != NULL)
		destination = &outside, outside = outside_wallet(&source->currency);
	ended->code = check_transfer(request, source, destination, &amount);
	EXPECT(ended->code == expected, "%s, not %s", wallet_codes[ended->code].name,
	       wallet_codes[expected].name);
	if (ended->code != CODE_OK)
		return;
	ended->has_transfer = true;
	/* A clock that is set back at times. */
	post_transfer(request, ++bank->last_transfer_id, amount, request->request_id ^ 3, source,
	              destination, &ended->transfer);
}

static void
carry_new_wallet(Bank *bank, const Request *request, Ended *ended)
{
	int index = request->currency[2] - 'a';
	const Currency *currency = index < CURRENCIES ? &currencies[index] : NULL;
	bool exists = find_wallet(bank, request->user_id) != NULL;
	WalletCode expected = expected_new_wallet(request, exists, currency);
	int64_t amount;
	Wallet *wallet;
	Wallet outside;

	ended->code = check_new_wallet(request, exists, currency, &amount);
	EXPECT(ended->code == expected, "%s, not %s", wallet_codes[ended->code].name,
	       wallet_codes[expected].name);
	if (ended->code != CODE_OK || bank->wallet_count == WALLETS_MAX)
		return;
	wallet = &bank->wallets[bank->wallet_count++];
	*wallet = (Wallet){
	    .wallet_id = bank->wallet_count, .user_id = bank->wallet_count, .currency = *currency};
	if (amount == 0)
		return;
	outside = outside_wallet(currency);
	ended->has_transfer = true;
	post_transfer(request, ++bank->last_transfer_id, amount, request->request_id, &outside, wallet,
	              &ended->transfer);
	EXPECT(ended->transfer.kind == KIND_DEPOSIT, "a first amount is a deposit");
}

static void
carry_status(Bank *bank, const Step *step, Ended *ended)
{
	Wallet *wallet = find_wallet(bank, step->request.source_wallet_id);

	ended->code = check_status(wallet, step->status);
	if (ended->code != CODE_OK)
		return;
	EXPECT(wallet->status != STATUS_CLOSED || step->status == STATUS_CLOSED, "closed is final");
	EXPECT(wallet->balance == 0 || step->status != STATUS_CLOSED, "closed with money");
	wallet->status = step->status;
}

static void
carry(Bank *bank, const Step *step, Ended *ended)
{
	const Request *request = &step->request;

	memset(ended, 0, sizeof(*ended));
	if (step->is_status_change)
		carry_status(bank, step, ended);
	else if (request->kind == KIND_WALLET)
		carry_new_wallet(bank, request, ended);
	else if (request->kind == KIND_WALLET_READ)
		ended->code = check_read(request, find_wallet(bank, request->source_wallet_id));
	else
		carry_money(bank, request, ended);
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
		const Wallet *old = &before->wallets[i];
		const Wallet *new = &after->wallets[i];
		bool pays = ended->has_transfer && transfer->source_wallet_id == new->wallet_id;
		bool gains = ended->has_transfer && transfer->destination_wallet_id == new->wallet_id;

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

		if (ended->has_transfer && transfer->source_wallet_id == outside_id)
			outside = -(Wide) transfer->amount;
		if (ended->has_transfer && transfer->destination_wallet_id == outside_id)
			outside = transfer->amount;
		EXPECT(change + outside == 0, "money was made or lost");
	}
	EXPECT(!ended->has_transfer || transfer->amount > 0, "nothing moved");
}

/* One by one, each on the stored wallets. */
static void
run_direct(Bank *bank, const Step *steps, int count, Ended *ended)
{
	for (int i = 0; i < count; i++)
	{
		Bank before = *bank;

		carry(bank, &steps[i], &ended[i]);
		check_step(&before, bank, &ended[i]);
	}
}

/* The wallets are read at the beginning of a batch and stored at its end. */
static void
run_batches(Bank *stored, const Step *steps, int count, Ended *ended)
{
	for (int from = 0, to; from < count; from = to)
	{
		Bank batch;
		int rounds = 1;

		for (to = from + 1; to < count && !steps[to - 1].ends_batch;)
			to++;
		if (steps[to - 1].rolls_back)
			rounds = 2;
		for (int round = 0; round < rounds; round++)
		{
			batch = *stored;
			for (int i = from; i < to; i++)
				carry(&batch, &steps[i], &ended[i]);
		}
		*stored = batch;
	}
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
		EXPECT(memcmp(&direct_ended[i], &batch_ended[i], sizeof(Ended)) == 0, "step %d differs", i);
		EXPECT(kind_from_name(kind_name(steps[i].request.kind), &kind) &&
		           kind == steps[i].request.kind,
		       "kind %d", (int) kind);
		EXPECT(status_from_name(status_names[steps[i].status], &status) &&
		           status == steps[i].status,
		       "status %d", (int) status);
	}
	return 0;
}
