/*
 * journal.c
 *		The table of transfers.
 */
#include "tables/journal.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/statement.h"
#include "rules/post.h"
#include "tables/rows.h"

enum TransferColumn
{
	TRANSFER_ID,
	TRANSFER_REQUEST_ID,
	TRANSFER_SOURCE_WALLET_ID,
	TRANSFER_DESTINATION_WALLET_ID,
	TRANSFER_AMOUNT,
	TRANSFER_SOURCE_BALANCE,
	TRANSFER_DESTINATION_BALANCE,
	TRANSFER_SOURCE_PREVIOUS,
	TRANSFER_DESTINATION_PREVIOUS,
	TRANSFER_POSTED_AT,
	TRANSFER_KIND,
	TRANSFER_METADATA,
	TRANSFER_COLUMNS
};

static const RowColumn transfer_columns[TRANSFER_COLUMNS] = {
    [TRANSFER_ID] = {"transfer_id", INT8OID},
    [TRANSFER_REQUEST_ID] = {"request_id", INT8OID},
    [TRANSFER_SOURCE_WALLET_ID] = {"source_wallet_id", INT8OID},
    [TRANSFER_DESTINATION_WALLET_ID] = {"destination_wallet_id", INT8OID},
    [TRANSFER_AMOUNT] = {"amount", INT8OID},
    [TRANSFER_SOURCE_BALANCE] = {"source_balance", INT8OID},
    [TRANSFER_DESTINATION_BALANCE] = {"destination_balance", INT8OID},
    [TRANSFER_SOURCE_PREVIOUS] = {"source_previous", INT8OID},
    [TRANSFER_DESTINATION_PREVIOUS] = {"destination_previous", INT8OID},
    [TRANSFER_POSTED_AT] = {"posted_at", TIMESTAMPTZOID},
    [TRANSFER_KIND] = {"kind", INT2OID},
    [TRANSFER_METADATA] = {"metadata", JSONBOID},
};

static const RowLayout transfer_layout = {"transfer", transfer_columns, TRANSFER_COLUMNS};

static Statement get_transfer = {
    "SELECT t.source_wallet_id::bigint, t.destination_wallet_id::bigint, t.amount::bigint, "
    "t.source_balance::bigint, t.destination_balance::bigint, t.posted_at::timestamptz, "
    "c.code::text, c.minor_digits::bigint "
    "FROM wallet.transfer AS t "
    "JOIN wallet.wallet AS w ON w.wallet_id = greatest(t.source_wallet_id, "
    "t.destination_wallet_id) "
    "JOIN wallet.currency AS c ON c.code = w.currency WHERE t.transfer_id = $1",
    1,
    {INT8OID},
    NULL,
};

/* 0 stands for null in ids; the outside has a negative id and no stored balance. */
static Statement insert_transfers = {
    "INSERT INTO wallet.transfer (transfer_id, request_id, source_wallet_id, "
    "destination_wallet_id, amount, source_balance, destination_balance, source_previous, "
    "destination_previous, posted_at, kind, metadata) "
    "SELECT n.transfer_id, nullif(n.request_id, 0), n.source, n.destination, n.amount, "
    "CASE WHEN n.source > 0 THEN n.source_balance END, "
    "CASE WHEN n.destination > 0 THEN n.destination_balance END, "
    "nullif(n.source_previous, 0), nullif(n.destination_previous, 0), n.posted_at, "
    "n.kind, $12 "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS n (transfer_id, request_id, "
    "source, destination, amount, source_balance, destination_balance, source_previous, "
    "destination_previous, posted_at, kind)",
    12,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
     INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, JSONBOID},
    NULL,
};

static void
insert_by_statement(const Transfer *transfers, int count, const Datum *metadata)
{
	int64 *kinds = palloc(sizeof(int64) * count);

	for (int i = 0; i < count; i++)
		kinds[i] = transfers[i].kind;
	statement_run(&insert_transfers,
	              (Datum[]){
	                  INT64_MEMBER(transfers, count, Transfer, transfer_id),
	                  INT64_MEMBER(transfers, count, Transfer, request_id),
	                  INT64_MEMBER(transfers, count, Transfer, source_wallet_id),
	                  INT64_MEMBER(transfers, count, Transfer, destination_wallet_id),
	                  INT64_MEMBER(transfers, count, Transfer, amount),
	                  INT64_MEMBER(transfers, count, Transfer, source_balance),
	                  INT64_MEMBER(transfers, count, Transfer, destination_balance),
	                  INT64_MEMBER(transfers, count, Transfer, source_previous),
	                  INT64_MEMBER(transfers, count, Transfer, destination_previous),
	                  TIME_MEMBER(transfers, count, Transfer, posted_at),
	                  int64_array(kinds, count),
	                  metadata == NULL ? (Datum) 0 : *metadata,
	              },
	              metadata == NULL ? "           n" : NULL, false);
	result_expect(count, "wallet.transfer");
}

static void
transfer_to_slot(const Transfer *transfer, const Datum *metadata, TupleTableSlot *slot)
{
	slot_put_int64(slot, TRANSFER_ID, transfer->transfer_id);
	slot_put_int64(slot, TRANSFER_REQUEST_ID, transfer->request_id);
	slot_put_int64(slot, TRANSFER_SOURCE_WALLET_ID, transfer->source_wallet_id);
	slot_put_int64(slot, TRANSFER_DESTINATION_WALLET_ID, transfer->destination_wallet_id);
	slot_put_int64(slot, TRANSFER_AMOUNT, transfer->amount);
	slot_put_int64(slot, TRANSFER_SOURCE_PREVIOUS, transfer->source_previous);
	slot_put_int64(slot, TRANSFER_DESTINATION_PREVIOUS, transfer->destination_previous);
	/* A balance may well be 0; the outside has none. */
	slot->tts_values[TRANSFER_SOURCE_BALANCE] = Int64GetDatum(transfer->source_balance);
	slot->tts_isnull[TRANSFER_SOURCE_BALANCE] = transfer->source_wallet_id < 0;
	slot->tts_values[TRANSFER_DESTINATION_BALANCE] = Int64GetDatum(transfer->destination_balance);
	slot->tts_isnull[TRANSFER_DESTINATION_BALANCE] = transfer->destination_wallet_id < 0;
	slot->tts_values[TRANSFER_POSTED_AT] = TimestampTzGetDatum(transfer->posted_at);
	slot->tts_values[TRANSFER_KIND] = Int16GetDatum(transfer->kind);
	slot->tts_values[TRANSFER_METADATA] = metadata == NULL ? (Datum) 0 : *metadata;
	slot->tts_isnull[TRANSFER_METADATA] = metadata == NULL;
}

void
journal_insert(const Transfer *transfers, int count, const Datum *metadata)
{
	RowWriter writer;

	Assert(count > 0);
	if (!writer_open(&writer, &transfer_layout, CMD_INSERT))
	{
		insert_by_statement(transfers, count, metadata);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);

		CHECK_FOR_INTERRUPTS();
		transfer_to_slot(&transfers[i], metadata, slot);
	}
	writer_close(&writer);
}

void
journal_get(int64 transfer_id, Transfer *transfer, Currency *currency)
{
	Datum id = Int64GetDatum(transfer_id);

	statement_run(&get_transfer, &id, NULL, false);
	if (SPI_processed != 1)
		elog(ERROR, "there is no transfer " INT64_FORMAT, transfer_id);
	*transfer = (Transfer){
	    .transfer_id = transfer_id,
	    .source_wallet_id = result_int64(0, 1),
	    .destination_wallet_id = result_int64(0, 2),
	    .amount = result_int64(0, 3),
	    .source_balance = result_int64(0, 4),
	    .destination_balance = result_int64(0, 5),
	    .posted_at = result_int64(0, 6),
	};
	strlcpy(currency->code, result_text(0, 7), sizeof(currency->code));
	currency->minor_digits = (int) result_int64(0, 8);
	SPI_freetuptable(SPI_tuptable);
}
