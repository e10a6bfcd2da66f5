/*
 * kinds.c
 *		The table of kinds, as the extension reads it.
 */
#include "rules/kinds.h"

#include <string.h>

#include "rules/post.h"

/* clang-format off */
/* Each member's field has the C type that a value of its MemberType is read into. */
#define MEMBER_FITS(name, type, required, field, meaning)                                          \
	_Static_assert(_Generic(((Request *) 0)->field,                                                \
	                        int64_t: (type) == TYPE_ID,                                            \
	                        Amount: (type) == TYPE_AMOUNT || (type) == TYPE_AMOUNT_OR_ZERO,        \
	                        char *: (type) == TYPE_CURRENCY),                                      \
	               "member " name " is kept in a field of another type");
/* clang-format on */
#define MEMBERS_FIT(symbol, number, name, path, scope, shape, transfers, members, ...)             \
	members(MEMBER_FITS)
WALLET_KINDS(MEMBERS_FIT)

#define MEMBER_ROW(name, type, required, field, meaning)                                           \
	{name, type, required, offsetof(Request, field)},
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
