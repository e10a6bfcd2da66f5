/*
 * currencies.c
 *		The table of currencies.
 */
#include "tables/currencies.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/relations.h"
#include "tables/map.h"
#include "tables/rows.h"

#define CURRENCY_COLUMNS(X)                                                                        \
	X(code, TEXT, c->code, false, 0)                                                               \
	X(number, UNREAD_INTEGER, 0, false, 0)                                                         \
	X(minor_digits, INTEGER, c->minor_digits, false, 0)                                            \
	X(builtin, UNREAD_BOOLEAN, false, false, 0)                                                    \
	X(outside_wallet_id, BIGINT, c->outside_wallet_id, false, 0)

static const RowColumn currency_columns[] = {CURRENCY_COLUMNS(MAP_COLUMN)};

static void
currency_from_row(const Datum *values, const bool *nulls, void *to)
{
	Currency *c = to;

	CURRENCY_COLUMNS(MAP_GET)
}

/* The rows are written by the owner alone. */
static const RowLayout currency_layout = {
    .table = "currency",
    MAP_COLUMNS(currency_columns),
    .struct_size = sizeof(Currency),
    .from_row = currency_from_row,
};

static MapSelect find_by_code = {"wallet.currency AS t WHERE t.code = $1", {NULL, 1, {TEXTOID}}};

/* The currency that was found last, and the oid of its table.  The rows of the table never change.
 */
static Currency known_currency;
static Oid known_in;

static bool
is_own_row(TupleTableSlot *slot)
{
	const HeapTupleHeader row = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row));
}

bool
currency_find_visible(const char *code, Currency *currency)
{
	RowReader reader;
	bool found;

	if (strcmp(code, known_currency.code) == 0 && known_in == wallet_relation("currency"))
	{
		*currency = known_currency;
		return true;
	}
	if (!reader_open(&reader, &currency_layout, AccessShareLock))
		return map_select(&currency_layout, &find_by_code, (Datum[]){CStringGetTextDatum(code)},
		                  false, currency, 1) > 0;
	reader_seek_text(&reader, code);
	found = reader_next(&reader);
	if (found)
	{
		slot_getallattrs(reader.slot);
		currency_from_row(reader.slot->tts_values, reader.slot->tts_isnull, currency);
	}
	/* A row of this transaction may be rolled back, and is not kept. */
	if (found && !is_own_row(reader.slot))
	{
		known_currency = *currency;
		known_in = RelationGetRelid(reader.heap);
	}
	reader_close(&reader);
	return found;
}

bool
currency_find(const char *code, Currency *currency)
{
	bool found;

	push_new_snapshot();
	found = currency_find_visible(code, currency);
	PopActiveSnapshot();
	return found;
}
