/*
 * results.c
 *		Wallets and transfers as rows of wallet.wallet_info and wallet.transfer_info.
 */
#include "posting/results.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "base/money.h"
#include "base/result.h"

static const Oid wallet_types[] = {INT8OID,    INT8OID,        TEXTOID,        NUMERICOID,
                                   TEXTOID,    TIMESTAMPTZOID, TIMESTAMPTZOID, NUMERICOID,
                                   NUMERICOID, NUMERICOID,     NUMERICOID};

static const Oid transfer_types[] = {INT8OID,    INT8OID,        INT8OID,    NUMERICOID, NUMERICOID,
                                     NUMERICOID, TIMESTAMPTZOID, TEXTOID,    NUMERICOID, INT8OID,
                                     INT8OID,    TIMESTAMPTZOID, NUMERICOID, BOOLOID};

#define TRANSFER_COLUMNS_COUNT lengthof(transfer_types)

/* The function's result: a tuple of its composite type with these columns. */
static Datum
form_result(FunctionCallInfo fcinfo, const Oid *types, int count, Datum *values, bool *nulls)
{
	/* Who calls from SQL has said the type; to look it up costs 400 instructions. */
	Oid type = get_fn_expr_rettype(fcinfo->flinfo);
	TupleDesc columns;
	HeapTuple row;

	if (!OidIsValid(type))
		type = get_func_rettype(fcinfo->flinfo->fn_oid);
	columns = lookup_rowtype_tupdesc(type, -1);
	row = result_row(columns, types, count, values, nulls);
	ReleaseTupleDesc(columns);
	return HeapTupleGetDatum(row);
}

static Datum
amount_datum(int64 minor, const Currency *currency)
{
	return NumericGetDatum(amount_to_numeric(minor, currency->minor_digits));
}

/* balance - held - floor, which may leave 64 bits. */
static Datum
available_datum(const Wallet *wallet, int64 held)
{
	Datum rest = DirectFunctionCall2(numeric_sub, amount_datum(wallet->balance, &wallet->currency),
	                                 amount_datum(held, &wallet->currency));

	return DirectFunctionCall2(numeric_sub, rest, amount_datum(wallet->floor, &wallet->currency));
}

Datum
wallet_result(FunctionCallInfo fcinfo, const Wallet *wallet)
{
	int64 held = wallet->held - wallet->due;
	bool nulls[lengthof(wallet_types)] = {[9] = wallet->ceiling == NO_CEILING};
	Datum values[lengthof(wallet_types)] = {
	    Int64GetDatum(wallet->wallet_id),
	    Int64GetDatum(wallet->user_id),
	    CStringGetTextDatum(status_names[wallet->status]),
	    amount_datum(wallet->balance, &wallet->currency),
	    CStringGetTextDatum(wallet->currency.code),
	    TimestampTzGetDatum(wallet->created_at),
	    TimestampTzGetDatum(wallet->updated_at),
	    amount_datum(held, &wallet->currency),
	    amount_datum(wallet->floor, &wallet->currency),
	    amount_datum(wallet->ceiling, &wallet->currency),
	    available_datum(wallet, held),
	};

	return form_result(fcinfo, wallet_types, lengthof(wallet_types), values, nulls);
}

/*
 * What says nothing is null: of the outside its balance, of a row that moves no money the balance
 * of the destination, and the terms of a hold on other rows.
 */
static void
transfer_values(const Transfer *transfer, const Currency *currency, Datum *values, bool *nulls)
{
	bool from_outside = transfer->source_wallet_id < 0;
	bool to_outside = transfer->destination_wallet_id < 0;
	bool has_terms = transfer->kind == KIND_HOLD || transfer->kind == KIND_HOLD_EXTEND;
	const Datum row[] = {
	    Int64GetDatum(transfer->transfer_id),
	    Int64GetDatum(transfer->source_wallet_id),
	    Int64GetDatum(transfer->destination_wallet_id),
	    amount_datum(transfer->amount, currency),
	    from_outside ? (Datum) 0 : amount_datum(transfer->source_balance, currency),
	    to_outside ? (Datum) 0 : amount_datum(transfer->destination_balance, currency),
	    TimestampTzGetDatum(transfer->posted_at),
	    CStringGetTextDatum(kind_name(transfer->kind)),
	    from_outside ? (Datum) 0 : amount_datum(transfer->held, currency),
	    Int64GetDatum(transfer->link_id),
	    Int64GetDatum(transfer->group_id),
	    TimestampTzGetDatum(transfer->expires_at),
	    has_terms ? amount_datum(transfer->max_capture, currency) : (Datum) 0,
	    BoolGetDatum(transfer->overdraw),
	};
	const bool row_nulls[] = {
	    false,
	    from_outside,
	    to_outside,
	    false,
	    from_outside,
	    to_outside || !kind_moves_money(transfer->kind),
	    false,
	    false,
	    from_outside,
	    transfer->link_id == 0,
	    transfer->group_id == 0,
	    !has_terms,
	    !has_terms,
	    false,
	};

	StaticAssertStmt(lengthof(row) == TRANSFER_COLUMNS_COUNT, "a value for each column");
	StaticAssertStmt(lengthof(row_nulls) == TRANSFER_COLUMNS_COUNT, "each column is null or not");
	memcpy(values, row, sizeof(row));
	memcpy(nulls, row_nulls, sizeof(row_nulls));
}

Datum
transfer_result(FunctionCallInfo fcinfo, const Transfer *transfer, const Currency *currency)
{
	Datum values[TRANSFER_COLUMNS_COUNT];
	bool nulls[TRANSFER_COLUMNS_COUNT];

	transfer_values(transfer, currency, values, nulls);
	return form_result(fcinfo, transfer_types, TRANSFER_COLUMNS_COUNT, values, nulls);
}

void
transfer_results_open(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
}

void
transfer_results_put(FunctionCallInfo fcinfo, const Transfer *transfer, const Currency *currency)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[TRANSFER_COLUMNS_COUNT];
	bool nulls[TRANSFER_COLUMNS_COUNT];

	transfer_values(transfer, currency, values, nulls);
	tuplestore_puttuple(result->setResult, result_row(result->setDesc, transfer_types,
	                                                  TRANSFER_COLUMNS_COUNT, values, nulls));
}
