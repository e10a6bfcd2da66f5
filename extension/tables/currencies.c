/*
 * currencies.c
 *		The table of currencies.
 */
#include "tables/currencies.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/relations.h"
#include "base/statement.h"
#include "tables/rows.h"

enum CurrencyColumn
{
	CURRENCY_CODE,
	CURRENCY_NUMBER,
	CURRENCY_MINOR_DIGITS,
	CURRENCY_BUILTIN,
	CURRENCY_OUTSIDE_WALLET_ID,
	CURRENCY_COLUMNS
};

static const RowColumn currency_columns[CURRENCY_COLUMNS] = {
    [CURRENCY_CODE] = {"code", TEXTOID},
    [CURRENCY_NUMBER] = {"number", INT4OID},
    [CURRENCY_MINOR_DIGITS] = {"minor_digits", INT4OID},
    [CURRENCY_BUILTIN] = {"builtin", BOOLOID},
    [CURRENCY_OUTSIDE_WALLET_ID] = {"outside_wallet_id", INT8OID},
};

static const RowLayout currency_layout = {"currency", currency_columns, CURRENCY_COLUMNS};

static Statement select_currency = {
    "SELECT c.code::text, c.minor_digits::bigint, c.outside_wallet_id::bigint "
    "FROM wallet.currency AS c WHERE c.code = $1",
    1,
    {TEXTOID},
    NULL,
};

/*
 * The currency that was asked for last, and the table that has it, where it stays as it is: its
 * rows never change.
 */
static Currency known_currency;
static Oid known_in;

Currency
currency_from_result(uint64 row, int first_column)
{
	Currency currency = {
	    .minor_digits = (int) result_int64(row, first_column + 1),
	    .outside_wallet_id = result_int64(row, first_column + 2),
	};

	strlcpy(currency.code, result_text(row, first_column), sizeof(currency.code));
	return currency;
}

static bool
find_by_statement(const char *code, Currency *currency)
{
	Datum argument = CStringGetTextDatum(code);
	bool found;

	statement_run(&select_currency, &argument, NULL, false);
	found = SPI_processed > 0;
	if (found)
		*currency = currency_from_result(0, 1);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

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
		return find_by_statement(code, currency);
	reader_seek_text(&reader, code);
	found = reader_next(&reader);
	if (found)
	{
		slot_getallattrs(reader.slot);
		strlcpy(currency->code, code, sizeof(currency->code));
		currency->minor_digits = DatumGetInt32(reader.slot->tts_values[CURRENCY_MINOR_DIGITS]);
		currency->outside_wallet_id = slot_int64(reader.slot, CURRENCY_OUTSIDE_WALLET_ID);
	}
	/* What our own transaction has written may yet be undone. */
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
