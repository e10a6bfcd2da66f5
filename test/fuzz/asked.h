/*
 * asked.h
 *		What the fuzz target post makes of the bytes of an input: a bank, and what is asked of it.
 */
#ifndef WALLET_FUZZ_ASKED_H
#define WALLET_FUZZ_ASKED_H

#include "rules/rules.h"
#include "rules/wallet.h"

#include "fuzz.h"

/* The first ones have the ids 1 …, and so have their users; the new ones come after them. */
#define WALLETS_MAX 16
#define WALLETS_FIRST 4
#define CURRENCIES 2
#define STEPS_MAX 32
#define BATCH_MAX 16
#define PARTS_MAX 3 /* legs of a group, and shares of a split */
#define HOLDS_MAX (STEPS_MAX * PARTS_MAX)
#define ROWS_MAX (STEPS_MAX * PARTS_MAX * PARTS_MAX + HOLDS_MAX)
#define NOWHERE 999999

/* What is stored. */
typedef struct Bank
{
	int wallet_count;
	int hold_count;
	int row_count;
	Wallet wallets[WALLETS_MAX];
	Hold holds[HOLDS_MAX];
	Transfer rows[ROWS_MAX];
	int64_t reversed[ROWS_MAX]; /* of the row in the same place */
} Bank;

typedef enum Way
{
	ASK,
	CHANGE_THE_STATUS,
	CHANGE_THE_LIMITS,
	CLOSE
} Way;

/* One thing asked of a bank. */
typedef struct Step
{
	Way way;
	Operation operation;
	unsigned char parts[sizeof(Parts) + PARTS_MAX * sizeof(Operation) + PARTS_MAX * sizeof(Share) +
	                    ROWS_MAX * sizeof(Operation) / STEPS_MAX];
	uint8_t reference[PARTS_MAX + 1]; /* which hold or row the operation and its legs name */
	uint8_t asker;
	WalletStatus status;
	Limits limits;
	bool ends_batch;
	bool is_undone; /* the batch that ends here is posted twice */
} Step;

static Currency currencies[CURRENCIES];
static int64_t first_transfer_id;
static bool is_set_back; /* the clock, at times; then nothing expires */

/* ---- What is asked ---- */

static int64_t
take_balance(Input *input)
{
	int64_t balance = take_int64(input);

	return balance < 0 ? ~balance : balance;
}

static Bank
take_bank(Input *input)
{
	Bank bank = {.wallet_count = WALLETS_FIRST};
	uint8_t traits = take_byte(input);

	first_transfer_id = traits & 0x7F;
	is_set_back = traits & 0x80;
	for (int i = 0; i < CURRENCIES; i++)
	{
		currencies[i] = (Currency){.minor_digits = take_below(input, MINOR_DIGITS_MAX + 1),
		                           .outside_wallet_id = -1 - i};
		snprintf(currencies[i].code, sizeof(currencies[i].code), "cu%c", 'a' + i);
	}
	for (int i = 0; i < WALLETS_FIRST; i++)
	{
		int64_t balance = take_balance(input);

		traits = take_byte(input);
		bank.wallets[i] = (Wallet){
		    .wallet_id = i + 1,
		    .user_id = i + 1,
		    .balance = balance,
		    .ceiling = NO_CEILING,
		    .currency = currencies[traits % 8 == 7],
		    .status =
		        traits / 8 % 8 < STATUS_COUNT ? (WalletStatus) (traits / 8 % 8) : STATUS_ACTIVE,
		};
		if (bank.wallets[i].status == STATUS_CLOSED)
			bank.wallets[i].balance = 0;
	}
	return bank;
}

static Amount
take_amount(Input *input)
{
	Amount amount = {.digits = take_int64(input)};

	amount.scale = take_below(input, MINOR_DIGITS_MAX + 1);
	return amount;
}

/* The members that make kinds what they are. */
static void
take_details(Input *input, Operation *operation)
{
	uint8_t how = take_byte(input);

	switch (operation->kind)
	{
		case KIND_TRANSACTION:
		case KIND_FEE:
		case KIND_WITHDRAWAL:
			operation->amount_mode = how % 16 <= MODE_COUNT ? how % 16 : MODE_EXACT;
			if (operation->amount_mode == MODE_ALL && how < 0xF0)
				operation->amount = AMOUNT_NONE;
			break;
		case KIND_HOLD:
			if (how & 1)
				operation->max_capture = (Amount){take_int64(input) | operation->amount.digits,
				                                  how & 16 ? 0 : operation->amount.scale};
			break;
		case KIND_CAPTURE:
			operation->keeps_rest = how & 1;
			break;
		case KIND_REVERSAL:
		case KIND_GROUP_REVERSAL:
			operation->shortfall = how % 8 <= SHORTFALL_COUNT ? how % 8 : SHORTFALL_REFUSE;
			operation->keep_fees = how & 1;
			if (operation->kind == KIND_GROUP_REVERSAL)
				operation->shortfall = SHORTFALL_REFUSE;
			break;
		default:
			break;
	}
	if (operation->kind == KIND_HOLD || operation->kind == KIND_HOLD_EXTEND)
	{
		if (how & 2)
			operation->expires_in = (how & 8 ? -1 : 1) * (int64_t) take_byte(input);
		if ((how & 6) == 4)
			operation->expires_at = how & 8 ? NO_END : 4 * (int64_t) take_byte(input);
		if (is_set_back && operation->expires_in > 0)
			operation->expires_in += INT64_C(1) << 40;
		if (is_set_back && operation->expires_at > 0)
			operation->expires_at = NO_END;
	}
	if ((operation->kind == KIND_CAPTURE || operation->kind == KIND_VOID ||
	     operation->kind == KIND_HOLD_EXTEND || operation->kind == KIND_REVERSAL) &&
	    how & 0x40)
		operation->amount = AMOUNT_NONE;
}

static Operation
take_operation(Input *input, RequestKind kind)
{
	uint8_t who = take_byte(input);
	Operation operation = {.kind = kind, .max_capture = AMOUNT_NONE};

	operation.source_wallet_id = kind == KIND_DEPOSIT ? 0 : who % 8;
	operation.destination_wallet_id = kind == KIND_WITHDRAWAL ? 0 : who / 8 % 8;
	if (kind == KIND_WALLET)
		snprintf(operation.currency, sizeof(operation.currency), "cu%c", 'a' + who / 64);
	operation.amount = take_amount(input);
	take_details(input, &operation);
	return operation;
}

static void
take_split(Input *input, Operation *leg, Parts *parts)
{
	leg->parts = parts;
	leg->share_first = parts->share_count - PARTS_MAX;
	leg->share_count = 1 + take_below(input, PARTS_MAX);
	leg->destination_wallet_id = 0;
	for (int i = 0; i < leg->share_count; i++)
	{
		Share *share = &parts->shares[leg->share_first + i];
		uint8_t how = take_byte(input);

		*share = (Share){.destination_wallet_id = 1 + how % 8, .amount = AMOUNT_NONE};
		share->is_rest = how / 8 % 4 == 0 || how / 32 == 7;
		share->has_parts = how / 8 % 4 == 1;
		if (share->has_parts)
			share->parts_per_million = INT64_C(3922) * take_byte(input);
		if (how / 8 % 4 >= 2)
			share->amount = (Amount){take_int64(input), leg->amount.scale};
	}
}

static void
take_legs(Input *input, Step *step)
{
	static const RequestKind kinds[] = {
	    KIND_TRANSACTION, KIND_FEE,  KIND_DEPOSIT,     KIND_WITHDRAWAL, KIND_HOLD,
	    KIND_CAPTURE,     KIND_VOID, KIND_HOLD_EXTEND, KIND_REVERSAL,   KIND_TRANSACTION,
	};
	int how = take_byte(input);
	int count = how == 0xFF ? 0 : 1 + how % PARTS_MAX;
	Parts *parts = parts_init(step->parts, count, PARTS_MAX);
	bool has_split = false;

	for (int i = 0; i < count; i++)
	{
		int which = take_below(input, sizeof(kinds) / sizeof(kinds[0]));
		Operation *leg = &parts->legs[i];

		*leg = take_operation(input, kinds[which]);
		step->reference[i] = take_byte(input);
		if (how == 0xFE)
			leg->kind = step->reference[i] & 1 ? KIND_GROUP : (RequestKind) KIND_END;
		leg->has_handshake = how == 0xFD;
		if (which == 9 && !has_split && AMOUNT_IS_GIVEN(leg->amount))
		{
			take_split(input, leg, parts);
			has_split = true;
		}
	}
	step->operation.parts = parts;
}

static void
take_step(Input *input, int64_t request_id, Step *step)
{
	static const RequestKind kinds[] = {
	    KIND_TRANSACTION, KIND_DEPOSIT, KIND_WITHDRAWAL, KIND_WALLET,         KIND_WALLET_READ,
	    KIND_HOLD,        KIND_CAPTURE, KIND_VOID,       KIND_HOLD_EXTEND,    KIND_REVERSAL,
	    KIND_GROUP,       KIND_HOLD,    KIND_CAPTURE,    KIND_GROUP_REVERSAL,
	};
	const int kind_count = sizeof(kinds) / sizeof(kinds[0]);
	uint8_t how = take_byte(input);
	int which = (how & 0x3F) % (kind_count + 3);
	Operation *operation = &step->operation;

	*step =
	    (Step){.ends_batch = how & 0x80 || request_id % BATCH_MAX == 0, .is_undone = how & 0x40};
	step->way = which < kind_count ? ASK : (Way) (which - kind_count + 1);
	*operation = take_operation(input, which < kind_count ? kinds[which] : KIND_TRANSACTION);
	operation->request_id = request_id;
	step->asker = take_byte(input);
	step->reference[PARTS_MAX] = take_byte(input);
	operation->may_reverse = step->asker & 8;
	if (step->asker & 16)
		operation->max_amount =
		    (Amount){take_balance(input), take_below(input, MINOR_DIGITS_MAX + 1)};
	if (step->asker & 32)
		operation->valid_until = 8 * (int64_t) take_byte(input);
	step->status = (WalletStatus) (step->asker % STATUS_COUNT);
	step->limits = (Limits){take_amount(input), AMOUNT_NONE, step->asker & 64};
	if (step->asker & 4)
		step->limits.floor = AMOUNT_NONE;
	if (step->asker & 128)
		step->limits.ceiling = (Amount){take_int64(input), step->limits.floor.scale};
	if (step->way == CHANGE_THE_STATUS || step->way == CHANGE_THE_LIMITS)
		operation->destination_wallet_id = 0;
	if (operation->kind != KIND_GROUP)
		return;
	operation->source_wallet_id = operation->destination_wallet_id = 0;
	take_legs(input, step);
}

/* ---- What operations name: found before a batch, as posting/resolve.c does ---- */

/* Sets the wallets of what the operation names, of what is stored. */
static void
resolve(const Bank *stored, Operation *operation, uint8_t reference)
{
	bool names_hold = operation->kind == KIND_CAPTURE || operation->kind == KIND_VOID ||
	                  operation->kind == KIND_HOLD_EXTEND;

	if (!names_hold && operation->kind != KIND_REVERSAL)
		return;
	operation->source_wallet_id = operation->destination_wallet_id = 0;
	operation->link_id = reference == 0xFE ? 0 : NOWHERE;
	if (reference >= 0xFE)
		return;
	if (names_hold && stored->hold_count > 0)
	{
		const Hold *hold = &stored->holds[reference % stored->hold_count];

		operation->link_id = hold->hold_id;
		operation->source_wallet_id = hold->source_wallet_id;
		operation->destination_wallet_id = hold->destination_wallet_id;
	}
	if (!names_hold && stored->row_count > 0)
	{
		const Transfer *row = &stored->rows[reference % stored->row_count];

		operation->link_id = row->transfer_id;
		operation->source_wallet_id = row->destination_wallet_id;
		operation->destination_wallet_id = row->source_wallet_id;
	}
}

/* A group's reversal has a leg for each row of the group, the last row first. */
static void
resolve_group(const Bank *stored, Step *step)
{
	const Transfer *first = stored->row_count == 0
	                            ? NULL
	                            : &stored->rows[step->reference[PARTS_MAX] % stored->row_count];
	Parts *parts;
	int leg = 0;
	int count = 0;

	step->operation.parts = NULL;
	step->operation.source_wallet_id = step->operation.destination_wallet_id = 0;
	step->operation.link_id = step->reference[PARTS_MAX] == 0xFE ? 0 : NOWHERE;
	if (step->reference[PARTS_MAX] >= 0xFE)
		return;
	if (first == NULL || first->group_id == 0)
		return;
	for (int i = 0; i < stored->row_count; i++)
		count += stored->rows[i].group_id == first->group_id;
	step->operation.link_id = first->group_id;
	step->operation.parts = parts = parts_init(step->parts, count, 0);
	EXPECT(parts->size <= sizeof(step->parts), "%d rows", count);
	for (int i = stored->row_count - 1; i >= 0; i--)
	{
		const Transfer *row = &stored->rows[i];

		if (row->group_id != first->group_id)
			continue;
		parts->legs[leg++] = (Operation){
		    .kind = KIND_REVERSAL,
		    .link_id = row->transfer_id,
		    .amount = AMOUNT_NONE,
		    .max_capture = AMOUNT_NONE,
		    .source_wallet_id = row->destination_wallet_id,
		    .destination_wallet_id = row->source_wallet_id,
		};
	}
}

/* The user of payer or payee, or an operator. */
static int64_t
choose_asker(const Step *step)
{
	const Operation *about = &step->operation;

	if (about->parts != NULL && about->parts->leg_count > 0)
		about = &about->parts->legs[0];
	if (about->kind == KIND_WALLET)
		return 1 + step->asker % 8;
	switch (step->asker % 4)
	{
		case 0:
			return 0;
		case 1:
			return about->destination_wallet_id > 0 ? about->destination_wallet_id : 0;
		default:
			return about->source_wallet_id > 0 ? about->source_wallet_id : 1;
	}
}

static void
resolve_step(const Bank *stored, Step *step)
{
	Operation *operation = &step->operation;

	if (operation->kind == KIND_GROUP_REVERSAL)
		resolve_group(stored, step);
	else
		resolve(stored, operation, step->reference[PARTS_MAX]);
	for (int i = 0; operation->kind == KIND_GROUP && i < operation->parts->leg_count; i++)
		resolve(stored, &operation->parts->legs[i], step->reference[i]);
	operation->user_id = choose_asker(step);
	if (operation->kind == KIND_WALLET)
		operation->source_wallet_id = operation->destination_wallet_id = 0;
	if (operation->kind == KIND_WALLET_READ)
		operation->destination_wallet_id = 0;
}

#endif /* WALLET_FUZZ_ASKED_H */
