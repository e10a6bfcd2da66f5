/*
 * digest.c
 *		What the audit keeps of rows that it has verified: 64 bits for each row.
 *
 * The audit adds up the digests of many rows.  A sum of digests does not depend on the order of
 * the rows, can be continued with later rows, and differs when a row was changed, added or taken
 * away. The digests are no secret and no signature: whoever can write wallet.verified can make
 * them fit. This file takes no lock.
 */
#include "base/version.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/tupmacs.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/typcache.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(wallet_digest);
PG_FUNCTION_INFO_V1(wallet_next_xid);

/* Columns that a row may have: more than any of ours. */
#define COLUMNS_MAX 64

/* Append one value: whether it is null, and its bytes, with their number where that varies. */
static void
append_value(StringInfo bytes, const FormData_pg_attribute *column, Datum value, bool is_null)
{
	appendStringInfoChar(bytes, is_null ? 0 : 1);
	if (is_null)
		return;
	if (column->attbyval)
		appendBinaryStringInfo(bytes, (const char *) &value, sizeof(value));
	else if (column->attlen > 0)
		appendBinaryStringInfo(bytes, DatumGetPointer(value), column->attlen);
	else
	{
		struct varlena *whole = PG_DETOAST_DATUM_PACKED(value);
		int32 length = (int32) VARSIZE_ANY_EXHDR(whole);

		Assert(column->attlen == -1);
		appendBinaryStringInfo(bytes, (const char *) &length, sizeof(length));
		appendBinaryStringInfo(bytes, VARDATA_ANY(whole), length);
		if ((Pointer) whole != DatumGetPointer(value))
			pfree(whole);
	}
}

/*
 * wallet.digest(row record) returns the digest of a row's values.  Rows with the same values have
 * the same digest, wherever they are stored: two numbers of 64 bits never fold into one of 32.
 */
Datum
wallet_digest(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc columns =
	    lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum values[COLUMNS_MAX];
	bool nulls[COLUMNS_MAX];
	StringInfoData bytes;
	uint64 digest;

	if (columns->natts > COLUMNS_MAX)
		elog(ERROR, "cannot digest a row of %d columns", columns->natts);
	heap_deform_tuple(&tuple, columns, values, nulls);
	initStringInfo(&bytes);
	for (int i = 0; i < columns->natts; i++)
		append_value(&bytes, TupleDescAttr(columns, i), values[i], nulls[i]);
	digest = hash_bytes_extended((const unsigned char *) bytes.data, bytes.len, 0);

	pfree(bytes.data);
	ReleaseTupleDesc(columns);
	PG_RETURN_INT64((int64) digest);
}

/*
 * wallet.next_xid() returns the first transaction id that nobody has been given yet, as of now and
 * not of the snapshot.
 */
Datum
wallet_next_xid(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(FullTransactionIdGetDatum(ReadNextFullTransactionId()));
}
