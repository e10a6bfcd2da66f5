/*
 * kind_names.c
 *		Kinds and states of holds in SQL: from the number that tables store to the name, and back.
 *
 * The table is rules/operation.h.  This file takes no lock.
 */
#include "base/version.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "rules/operation.h"

PG_FUNCTION_INFO_V1(wallet_kind_name);
PG_FUNCTION_INFO_V1(wallet_kind_number);
PG_FUNCTION_INFO_V1(wallet_moves_money);
PG_FUNCTION_INFO_V1(wallet_hold_state);

/* wallet.kind_name(number smallint) → text; null where no kind has the number. */
Datum
wallet_kind_name(PG_FUNCTION_ARGS)
{
	const char *name = kind_name(PG_GETARG_INT16(0));

	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* wallet.kind_number(name text) → smallint; null where no kind has the name. */
Datum
wallet_kind_number(PG_FUNCTION_ARGS)
{
	RequestKind kind;

	if (!kind_from_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), &kind))
		PG_RETURN_NULL();
	PG_RETURN_INT16((int16) kind);
}

/* wallet.moves_money(kind smallint) → boolean: false for the rows of a hold that only reserve or
 * release. */
Datum
wallet_moves_money(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(kind_moves_money((RequestKind) PG_GETARG_INT16(0)));
}

/* wallet.hold_state(number smallint) → text; null where no state has the number. */
Datum
wallet_hold_state(PG_FUNCTION_ARGS)
{
	int16 number = PG_GETARG_INT16(0);

	if (number < 0 || number >= HOLD_STATE_COUNT)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(hold_state_names[number]));
}
