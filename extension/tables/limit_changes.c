/*
 * limit_changes.c
 *		The table of who has changed the limits of a wallet.
 *
 * Locking: the wallet's lock.  So the wallet's last transfer is the last one that the limits
 * before this change were in force for.
 */
#include "tables/limit_changes.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/statement.h"

static Statement insert_change = {
    "INSERT INTO wallet.limit_change (wallet_id, floor_before, floor_after, ceiling_before, "
    "ceiling_after, last_transfer_id, changed_at, changed_by) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    8,
    {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID},
    NULL,
};

void
limit_changes_insert(const Wallet *before, const Wallet *after)
{
	/* Not the owner of the function, but who calls it. */
	const char *role = GetUserNameFromId(GetOuterUserId(), false);

	statement_run(&insert_change,
	              (Datum[]){
	                  Int64GetDatum(after->wallet_id),
	                  Int64GetDatum(before->floor),
	                  Int64GetDatum(after->floor),
	                  Int64GetDatum(before->ceiling),
	                  Int64GetDatum(after->ceiling),
	                  Int64GetDatum(after->last_transfer_id),
	                  TimestampTzGetDatum(after->updated_at),
	                  CStringGetTextDatum(role),
	              },
	              NULL, false);
	result_expect(1, "wallet.limit_change");
}
