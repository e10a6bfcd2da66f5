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

/* clang-format off */
/* Each member's field has the C type that a value of its MemberType is read into. */
#define MEMBER_FITS(name, type, required, field, meaning)                                          \
	_Static_assert(_Generic(((Operation *) 0)->field,                                                \
	                        int64_t: (type) == TYPE_ID,                                            \
	                        Amount: (type) == TYPE_AMOUNT || (type) == TYPE_AMOUNT_OR_ZERO,        \
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

const KindInfo kind_infos[KIND_END] = {
#define KIND_ROW(symbol, number, name, path, scope, shape, transfers, members, ...)                \
	[number] = {name, members_of_##symbol,                                                         \
	            sizeof(members_of_##symbol) / sizeof(members_of_##symbol[0]),                      \
	            false members(OR_IS_AMOUNT), transfers},
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
		if (strcmp(kind_infos[all_kinds[i]].name, name) == 0)
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

static WalletCode
check_member(const Operation *operation, const KindMember *member)
{
	const void *value = (const char *) operation + member->offset;

	switch (member->type)
	{
		case TYPE_AMOUNT:
			return ((const Amount *) value)->digits > 0 ? CODE_OK : CODE_AMOUNT_NOT_POSITIVE;
		case TYPE_AMOUNT_OR_ZERO:
			return ((const Amount *) value)->digits >= 0 ? CODE_OK : CODE_AMOUNT_NEGATIVE;
		default:
			return CODE_OK;
	}
}

WalletCode
operation_check(const Operation *operation)
{
	const KindInfo *kind;

	/* A row of a newer version, or one that an owner has written. */
	if (!kind_is_known(operation->kind))
		return CODE_UNKNOWN_KIND;
	kind = &kind_infos[operation->kind];
	for (int i = 0; i < kind->member_count; i++)
	{
		WalletCode code = check_member(operation, &kind->members[i]);

		if (code != CODE_OK)
			return code;
	}
	if (operation->source_wallet_id > 0 &&
	    operation->source_wallet_id == operation->destination_wallet_id)
		return CODE_SAME_WALLET;
	return CODE_OK;
}

int
operation_keys(const Operation *operation, int64_t *keys)
{
	int count = 0;

	if (operation->kind == KIND_WALLET)
	{
		keys[0] = -operation->user_id;
		return 1;
	}
	if (operation->source_wallet_id > 0)
		keys[count++] = operation->source_wallet_id;
	if (operation->destination_wallet_id > 0 &&
	    operation->destination_wallet_id != operation->source_wallet_id)
		keys[count++] = operation->destination_wallet_id;
	return count;
}
