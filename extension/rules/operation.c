/*
 * operation.c
 *		What the table of kinds says of operations, and what an operation says by itself.
 */
#include "rules/operation.h"

#include <string.h>

const char *const status_names[STATUS_COUNT] = {
    [STATUS_ACTIVE] = "active",
    [STATUS_FROZEN] = "frozen",
    [STATUS_CLOSED] = "closed",
};

const char *const hold_state_names[HOLD_STATE_COUNT] = {
    [HOLD_OPEN] = "open",
    [HOLD_STATE_CAPTURED] = "captured",
    [HOLD_STATE_VOIDED] = "voided",
    [HOLD_STATE_EXPIRED] = "expired",
};

const char *const amount_mode_names[MODE_COUNT] = {
    [MODE_EXACT] = "exact",
    [MODE_UP_TO] = "up_to",
    [MODE_ALL] = "all",
};

const char *const shortfall_names[SHORTFALL_COUNT] = {
    [SHORTFALL_REFUSE] = "refuse",
    [SHORTFALL_AVAILABLE] = "available",
    [SHORTFALL_OVERDRAW] = "overdraw",
};

/* clang-format off */
/* Each member's field has the C type that a value of its MemberType is read into. */
#define MEMBER_FITS(name, type, required, field, meaning)                                          \
	_Static_assert(_Generic(((Operation *) 0)->field,                                                \
	                        int64_t: (type) == TYPE_ID || (type) == TYPE_USER ||                   \
	                                 (type) == TYPE_TIME || (type) == TYPE_DEADLINE ||             \
	                                 (type) == TYPE_INTERVAL,                                      \
	                        Amount: (type) == TYPE_AMOUNT || (type) == TYPE_AMOUNT_OR_ZERO,        \
	                        bool: (type) == TYPE_FLAG || (type) == TYPE_NEGATED_FLAG,              \
	                        uint8_t: (type) == TYPE_AMOUNT_MODE || (type) == TYPE_SHORTFALL,       \
	                        unsigned char *: (type) == TYPE_HANDSHAKE,                             \
	                        struct Parts *: (type) == TYPE_LEGS || (type) == TYPE_SPLIT,           \
	                        char *: (type) == TYPE_CURRENCY),                                      \
	               "member " name " is kept in a field of another type");
/* clang-format on */
#define MEMBERS_FIT(symbol, number, name, path, scope, shape, transfers, members, ...)             \
	members(MEMBER_FITS)
WALLET_KINDS(MEMBERS_FIT)

#define MEMBER_ROW(name, type, required, field, meaning)                                           \
	{name, type, required, offsetof(Operation, field)},
#define MEMBER_ROWS(symbol, number, name, path, scope, shape, transfers, members, ...)             \
	static const KindMember members_of_##symbol[] = {members(MEMBER_ROW)};
WALLET_KINDS(MEMBER_ROWS)

#define OR_IS_AMOUNT(name, type, ...) || (type) == TYPE_AMOUNT || (type) == TYPE_AMOUNT_OR_ZERO

#define OR_IS_MODE(name, type, ...) || (type) == TYPE_AMOUNT_MODE
#define OR_IS_INTERVAL(name, type, ...) || (type) == TYPE_INTERVAL

const KindInfo kind_infos[KIND_END] = {
#define KIND_ROW(symbol, number, name, path, scope, shape, transfers, members, rule, uses, ...)    \
	[number] = {name,                                                                              \
	            members_of_##symbol,                                                               \
	            sizeof(members_of_##symbol) / sizeof(members_of_##symbol[0]),                      \
	            false members(OR_IS_AMOUNT),                                                       \
	            false members(OR_IS_MODE),                                                         \
	            false members(OR_IS_INTERVAL),                                                     \
	            transfers,                                                                         \
	            uses},
    WALLET_KINDS(KIND_ROW)
#undef KIND_ROW
};

const RequestKind all_kinds[KIND_COUNT] = {
#define KIND_SYMBOL(symbol, ...) symbol,
    WALLET_KINDS(KIND_SYMBOL)
#undef KIND_SYMBOL
};

/* Two kinds with one number are an error of the compiler's: a switch has each case once. */
bool
kind_is_known(int number)
{
	switch (number)
	{
#define KIND_CASE(symbol, ...) case symbol:
		WALLET_KINDS(KIND_CASE)
#undef KIND_CASE
		return true;
		default:
			return false;
	}
}

const char *
kind_name(int number)
{
	return kind_is_known(number) ? kind_infos[number].name : NULL;
}

bool
kind_from_name(const char *name, RequestKind *kind)
{
	for (int i = 0; i < KIND_COUNT; i++)
	{
		const char *known = kind_infos[all_kinds[i]].name;

		if (*known == *name && strcmp(known, name) == 0)
		{
			*kind = all_kinds[i];
			return true;
		}
	}
	return false;
}

bool
status_from_name(const char *name, WalletStatus *status)
{
	for (int i = 0; i < STATUS_COUNT; i++)
	{
		if (strcmp(status_names[i], name) == 0)
		{
			*status = (WalletStatus) i;
			return true;
		}
	}
	return false;
}

/* ---- The parts of a group ---- */

size_t
parts_size(int leg_count, int share_count)
{
	return sizeof(Parts) + (size_t) leg_count * sizeof(Operation) +
	       (size_t) share_count * sizeof(Share);
}

/* Makes the pointers of a block that is in its place. */
static void
point_into_block(Parts *parts)
{
	parts->legs = (Operation *) (parts + 1);
	parts->shares = (Share *) (parts->legs + parts->leg_count);
	for (int i = 0; i < parts->leg_count; i++)
		parts->legs[i].parts = parts->legs[i].share_count > 0 ? parts : NULL;
}

Parts *
parts_init(void *block, int leg_count, int share_count)
{
	Parts *parts = block;

	memset(block, 0, parts_size(leg_count, share_count));
	parts->size = parts_size(leg_count, share_count);
	parts->leg_count = leg_count;
	parts->share_count = share_count;
	point_into_block(parts);
	return parts;
}

Parts *
parts_copy(void *block, const Parts *parts)
{
	memcpy(block, parts, parts->size);
	point_into_block(block);
	return block;
}

/* ---- What an operation says by itself ---- */

/* Is a less than b?  Both are at most 64 bits with MINOR_DIGITS_MAX decimals. */
static bool
amount_is_less(Amount a, Amount b)
{
	__extension__ __int128 a_digits = a.digits, b_digits = b.digits;

	for (int i = a.scale; i < b.scale; i++)
		a_digits *= 10;
	for (int i = b.scale; i < a.scale; i++)
		b_digits *= 10;
	return a_digits < b_digits;
}

WalletCode
operation_check_member(const Operation *operation, const KindMember *member)
{
	const void *value = (const char *) operation + member->offset;
	const Amount *amount = value;

	switch (member->type)
	{
		case TYPE_AMOUNT:
			return !AMOUNT_IS_GIVEN(*amount) || amount->digits > 0 ? CODE_OK
			                                                       : CODE_AMOUNT_NOT_POSITIVE;
		case TYPE_AMOUNT_OR_ZERO:
			return amount->digits >= 0 ? CODE_OK : CODE_AMOUNT_NEGATIVE;
		default:
			return CODE_OK;
	}
}

WalletCode
operation_check_share(const Share *share)
{
	return !AMOUNT_IS_GIVEN(share->amount) || share->amount.digits > 0 ? CODE_OK
	                                                                   : CODE_AMOUNT_NOT_POSITIVE;
}

/* A mode takes the place of the amount, or not; a split takes none. */
static WalletCode
check_amount_mode(const Operation *operation)
{
	if (operation->amount_mode >= MODE_COUNT)
		return CODE_INVALID_AMOUNT_MODE;
	if (operation->amount_mode != MODE_EXACT && operation->share_count > 0)
		return CODE_INVALID_AMOUNT_MODE;
	return operation->amount_mode == MODE_ALL && AMOUNT_IS_GIVEN(operation->amount)
	           ? CODE_INVALID_AMOUNT_MODE
	           : CODE_OK;
}

/* The end of a hold is given once, and lies in the future; or it is not given. */
static WalletCode
check_expiry(const Operation *operation, int64_t moment)
{
	if (operation->expires_in != 0 && operation->expires_at != 0)
		return CODE_INVALID_EXPIRY;
	if (operation->expires_in < 0 || operation->expires_in > NO_END - 1 - moment)
		return CODE_INVALID_EXPIRY;
	if (operation->expires_at != 0 && operation->expires_at <= moment)
		return CODE_INVALID_EXPIRY;
	return CODE_OK;
}

/* What stands for a hold, or for a transfer, is given. */
static WalletCode
check_link(const Operation *operation)
{
	bool needs_link = kind_names_hold(operation->kind) || operation->kind == KIND_REVERSAL ||
	                  operation->kind == KIND_GROUP_REVERSAL;

	/* The handshake is a hold's. */
	return needs_link && operation->link_id == 0 && !operation->has_handshake ? CODE_MISSING_MEMBER
	                                                                          : CODE_OK;
}

static WalletCode
check_split(const Operation *operation)
{
	const Share *shares = operation->parts->shares + operation->share_first;
	int rests = 0;
	bool has_parts = false;
	int64_t parts = 0;

	for (int i = 0; i < operation->share_count; i++)
	{
		const Share *share = &shares[i];

		if ((share->is_rest ? 1 : 0) + (share->has_parts ? 1 : 0) +
		        (AMOUNT_IS_GIVEN(share->amount) ? 1 : 0) !=
		    1)
			return CODE_INVALID_SPLIT;
		if (share->has_parts &&
		    (share->parts_per_million <= 0 || share->parts_per_million > PARTS_PER_WHOLE))
			return CODE_INVALID_SPLIT;
		rests += share->is_rest ? 1 : 0;
		has_parts = has_parts || share->has_parts;
		parts += share->parts_per_million;
	}
	return rests > 1 || (has_parts && rests == 0) || parts > PARTS_PER_WHOLE ? CODE_INVALID_SPLIT
	                                                                         : CODE_OK;
}

static WalletCode
check_amounts(const Operation *operation)
{
	const KindInfo *kind = &kind_infos[operation->kind];
	WalletCode code = CODE_OK;

	for (int i = 0; code == CODE_OK && i < kind->member_count; i++)
		code = operation_check_member(operation, &kind->members[i]);
	for (int i = 0; code == CODE_OK && i < operation->share_count; i++)
		code = operation_check_share(&operation->parts->shares[operation->share_first + i]);
	return code;
}

/* Is the source a destination, too? */
static bool
is_same_wallet(const Operation *operation)
{
	int64_t source = operation->source_wallet_id;

	for (int i = 0; i < operation->share_count; i++)
	{
		if (operation->parts->shares[operation->share_first + i].destination_wallet_id == source)
			return true;
	}
	return source > 0 && source == operation->destination_wallet_id;
}

/* An extension takes the time alone, too; other amounts that may be missing stand for the rest. */
static bool
lacks_amount(const Operation *operation)
{
	if (AMOUNT_IS_GIVEN(operation->amount) || operation->amount_mode == MODE_ALL)
		return false;
	switch (operation->kind)
	{
		case KIND_HOLD_EXTEND:
			return operation->expires_in == 0 && operation->expires_at == 0;
		case KIND_CAPTURE:
		case KIND_VOID:
		case KIND_REVERSAL:
			return false;
		default:
			return kind_infos[operation->kind].has_amount;
	}
}

/* The checks that do not tell a leg from a request, in the order of codes.h. */
static WalletCode
check_alone(const Operation *operation, int64_t moment)
{
	const KindInfo *kind = &kind_infos[operation->kind];
	WalletCode code = check_link(operation);

	if (code == CODE_OK && lacks_amount(operation))
		code = CODE_MISSING_MEMBER;
	if (code == CODE_OK && operation->share_count > 0)
		code = check_split(operation);
	if (code == CODE_OK && kind->has_mode)
		code = check_amount_mode(operation);
	if (code == CODE_OK && operation->shortfall >= SHORTFALL_COUNT)
		code = CODE_INVALID_SHORTFALL;
	if (code == CODE_OK && kind->has_expiry)
		code = check_expiry(operation, moment);
	if (code == CODE_OK)
		code = check_amounts(operation);
	if (code != CODE_OK)
		return code;
	if (is_same_wallet(operation))
		return CODE_SAME_WALLET;
	if (operation->kind == KIND_HOLD && AMOUNT_IS_GIVEN(operation->max_capture) &&
	    amount_is_less(operation->max_capture, operation->amount))
		return CODE_INVALID_MAX_CAPTURE;
	return CODE_OK;
}

static int
count_legs(const Parts *parts)
{
	int count = 0;

	for (int i = 0; i < parts->leg_count; i++)
		count += parts->legs[i].share_count > 0 ? parts->legs[i].share_count : 1;
	return count;
}

WalletCode
operation_check(const Operation *operation, int64_t moment)
{
	const Parts *parts = operation->parts;
	WalletCode code = CODE_OK;

	/* A row of a newer version, or one that an owner has written. */
	if (!kind_is_known(operation->kind) || !(kind_infos[operation->kind].uses & USE_REQUEST))
		return CODE_UNKNOWN_KIND;
	if (operation->kind != KIND_GROUP)
		return operation->share_count > 0 ? CODE_UNKNOWN_MEMBER : check_alone(operation, moment);
	if (parts == NULL || parts->leg_count < 1 || count_legs(parts) > LEGS_MAX)
		return CODE_INVALID_LEGS;
	for (int i = 0; i < parts->leg_count; i++)
	{
		if (!kind_is_known(parts->legs[i].kind) ||
		    !(kind_infos[parts->legs[i].kind].uses & USE_LEG) || parts->legs[i].has_handshake)
			return CODE_INVALID_LEGS;
	}
	/* The payload is judged as a whole: of several legs with faults, the first rule counts. */
	for (int i = 0; i < parts->leg_count; i++)
		code = code_first(code, check_alone(&parts->legs[i], moment));
	return code;
}

int
operation_find_leg(const Operation *operation, int64_t moment, WalletCode code)
{
	Operation group = *operation;
	Parts one;

	if (operation->kind != KIND_GROUP || operation->parts == NULL)
		return -1;
	one = *operation->parts;
	one.leg_count = 1;
	group.parts = &one;
	for (int i = 0; i < operation->parts->leg_count; i++)
	{
		one.legs = &operation->parts->legs[i];
		if (operation_check(&group, moment) == code)
			return i;
	}
	return -1;
}

int
operation_transfers_max(const Operation *operation)
{
	if (operation->parts != NULL)
		return count_legs(operation->parts);
	return kind_is_known(operation->kind) ? kind_infos[operation->kind].transfers_max : 0;
}

bool
operation_writes_destination(const Operation *operation)
{
	return operation->kind != KIND_WALLET_READ && kind_moves_money(operation->kind);
}

/* Adds a key unless it is there, and returns how many there are then. */
static int
add_key(int64_t *keys, int count, int64_t key)
{
	for (int i = 0; i < count; i++)
	{
		if (keys[i] == key)
			return count;
	}
	keys[count] = key;
	return count + 1;
}

static int
add_wallets(const Operation *operation, int64_t *keys, int count)
{
	if (operation->source_wallet_id > 0)
		count = add_key(keys, count, operation->source_wallet_id);
	if (operation->destination_wallet_id > 0 && operation->kind != KIND_HOLD)
		count = add_key(keys, count, operation->destination_wallet_id);
	for (int i = 0; i < operation->share_count; i++)
		count = add_key(keys, count,
		                operation->parts->shares[operation->share_first + i].destination_wallet_id);
	return count;
}

int
operation_keys(const Operation *operation, int64_t *keys)
{
	const Parts *parts = operation->parts;
	int count;

	if (operation->kind == KIND_WALLET)
	{
		keys[0] = -operation->user_id;
		return 1;
	}
	count = add_wallets(operation, keys, 0);
	for (int i = 0; parts != NULL && i < parts->leg_count; i++)
		count = add_wallets(&parts->legs[i], keys, count);
	return count;
}
