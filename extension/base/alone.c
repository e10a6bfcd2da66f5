/*
 * alone.c
 *		Whether a statement is a transaction by itself.
 */
#include "base/version.h"

#include "access/transam.h"
#include "access/xact.h"

PG_FUNCTION_INFO_V1(wallet_is_alone);

/*
 * wallet.is_alone() → boolean: whether the statement is a transaction by itself and has written
 * nothing yet, so that a COMMIT commits nothing of the caller's.  False within a transaction block
 * and within a subtransaction.
 */
Datum
wallet_is_alone(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!IsTransactionBlock() && !TransactionIdIsValid(GetTopTransactionIdIfAny()));
}
