/*
 * alone.c
 *		Whether a statement is a transaction by itself.
 */
#include "base/version.h"

#include "access/transam.h"
#include "access/xact.h"

PG_FUNCTION_INFO_V1(wallet_is_alone);

/*
 * True where nobody has begun a transaction before this statement, and nothing has been written in
 * it: so what it commits is its own alone.  Not within a subtransaction, which looks like a block.
 */
Datum
wallet_is_alone(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!IsTransactionBlock() && !TransactionIdIsValid(GetTopTransactionIdIfAny()));
}
