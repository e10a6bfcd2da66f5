/*
 * usual.c
 *		Usual values of columns: what a row has that ends before the column.
 *
 * PostgreSQL calls them missing values.  ALTER TABLE ... ADD COLUMN ... DEFAULT leaves them so
 * that no row need be written anew, all readers of rows know them, pg_upgrade keeps them, and a
 * table that is rewritten loses them.  Here a new table gets them, so that form.c can leave out
 * the last columns of most rows: see docs/posting.md, "Rows without statements".
 *
 * Locking: the table is locked exclusively until the transaction ends.
 */
#include "base/version.h"

#include "access/table.h"
#include "catalog/heap.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(wallet_set_usual_value);

/* wallet.set_usual_value(part regclass, column_name text, usual text): usual is an array of one. */
Datum
wallet_set_usual_value(PG_FUNCTION_ARGS)
{
	Relation table = table_open(PG_GETARG_OID(0), AccessExclusiveLock);

	if (table->rd_rel->relkind != RELKIND_RELATION || RelationGetNumberOfBlocks(table) > 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("\"%s\" is not an empty table", RelationGetRelationName(table)),
		                errdetail("Rows that are there already would change.")));
	SetAttrMissing(RelationGetRelid(table), text_to_cstring(PG_GETARG_TEXT_PP(1)),
	               text_to_cstring(PG_GETARG_TEXT_PP(2)));
	table_close(table, NoLock);
	PG_RETURN_VOID();
}
