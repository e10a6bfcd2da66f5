/*
 * calls.h
 *		What direct calls have in common: arguments, how they are carried out, refusals.
 */
#ifndef PG_WALLET_CALLS_H
#define PG_WALLET_CALLS_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "posting/ledger.h"

/* Raises null_value_not_allowed for an argument that is null. */
extern void require_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/* Ids: one that is required, and one that is 0 where it is null.  Both refuse what is no id. */
extern int64 id_argument(FunctionCallInfo fcinfo, int argument, const char *name);
extern int64 optional_id_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/* Amounts: one that is required, and one that is AMOUNT_NONE where it is null. */
extern Amount amount_argument(FunctionCallInfo fcinfo, int argument);
extern Amount optional_amount_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/* A flag that is the default where it is null. */
extern bool flag_argument(FunctionCallInfo fcinfo, int argument, bool by_default);

/*
 * The place of a text argument among count names; 0, that of the default, where it is null.
 * Refuses another text with the code.
 */
extern int choice_argument(FunctionCallInfo fcinfo, int argument, const char *const *names,
                           int count, WalletCode code);

/*
 * When a hold ends, as operation_check() judges it: what was given and is no end is negative, or
 * too far away.
 */
extern int64 expires_in_argument(FunctionCallInfo fcinfo, int argument);
extern int64 expires_at_argument(FunctionCallInfo fcinfo, int argument);

/*
 * One direct call.  Its last two arguments, from metadata_at on, are metadata and the idempotency
 * key.
 */
typedef struct Call
{
	Ledger ledger;
	LedgerRoom room;
	Transfer *rows; /* of the operation, in their order */
	int row_count;
	bool is_repeated;  /* the rows are of an earlier call with the same key */
	Transfer repeated; /* the first of them */
} Call;

/*
 * Carries out the operation in the caller's transaction, or finds what an earlier call with the
 * same key has done.  Raises the error of a refusal.  Between SPI_connect() and SPI_finish(); the
 * rows are the memory of these, or of the call.
 */
extern void call_post(FunctionCallInfo fcinfo, int metadata_at, Operation *operation, Call *call);

/* The currency of a row. */
extern Currency call_currency(const Call *call, const Transfer *row);

/* The whole of a function that carries out a group and returns its rows, in their order. */
extern void call_post_group(FunctionCallInfo fcinfo, int metadata_at, Operation *operation);

/* Raises an error in a transaction that may not write, with the name of the function. */
extern void require_writes(FunctionCallInfo fcinfo);

#endif /* PG_WALLET_CALLS_H */
