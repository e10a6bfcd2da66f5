/*
 * results.c
 *		Wallets and transfers as rows of wallet.wallet_info, wallet.transfer_info and
 *		wallet.operation_info.
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

/* Of wallet.operation_info, which begins as wallet.transfer_info does. */
static const Oid row_types[] = {INT8OID,    INT8OID,        INT8OID,    NUMERICOID, NUMERICOID,
                                NUMERICOID, TIMESTAMPTZOID, TEXTOID,    NUMERICOID, INT8OID,
                                INT8OID,    TIMESTAMPTZOID, NUMERICOID, BOOLOID};

#define ROW_COLUMNS lengthof(row_types)
#define TRANSFER_COLUMNS 7 /* of them, that wallet.transfer_info has, too */

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

/* The columns of wallet.transfer_info. */
static void
put_transfer(const Transfer *transfer, const Currency *currency, Datum *values, bool *nulls)
{
	bool from_outside = transfer->source_wallet_id < 0;
	bool to_outside = transfer->destination_wallet_id < 0;

	values[0] = Int64GetDatum(transfer->transfer_id);
	values[1] = Int64GetDatum(transfer->source_wallet_id);
	values[2] = Int64GetDatum(transfer->destination_wallet_id);
	values[3] = amount_datum(transfer->amount, currency);
	values[4] = from_outside ? (Datum) 0 : amount_datum(transfer->source_balance, currency);
	values[5] = to_outside ? (Datum) 0 : amount_datum(transfer->destination_balance, currency);
	values[6] = TimestampTzGetDatum(transfer->posted_at);
	nulls[0] = nulls[3] = nulls[6] = false;
	nulls[1] = nulls[4] = from_outside;
	nulls[2] = to_outside;
	nulls[5] = to_outside || !kind_moves_money(transfer->kind);
}

/* The further columns of wallet.operation_info: the terms of a hold are null on other rows. */
static void
put_further(const Transfer *transfer, const Currency *currency, Datum *values, bool *nulls)
{
	bool from_outside = transfer->source_wallet_id < 0;
	bool has_terms = transfer->kind == KIND_HOLD || transfer->kind == KIND_HOLD_EXTEND;

	values[7] = CStringGetTextDatum(kind_name(transfer->kind));
	values[8] = from_outside ? (Datum) 0 : amount_datum(transfer->held, currency);
	values[9] = Int64GetDatum(transfer->link_id);
	values[10] = Int64GetDatum(transfer->group_id);
	values[11] = TimestampTzGetDatum(transfer->expires_at);
	values[12] = has_terms ? amount_datum(transfer->max_capture, currency) : (Datum) 0;
	values[13] = BoolGetDatum(transfer->overdraw);
	nulls[7] = nulls[13] = false;
	nulls[8] = from_outside;
	nulls[9] = transfer->link_id == 0;
	nulls[10] = transfer->group_id == 0;
	nulls[11] = nulls[12] = !has_terms;
}

Datum
transfer_result(FunctionCallInfo fcinfo, const Transfer *transfer, const Currency *currency)
{
	Datum values[ROW_COLUMNS];
	bool nulls[ROW_COLUMNS];
	bool is_plain = transfer->kind == KIND_TRANSACTION || transfer->kind == KIND_DEPOSIT ||
	                transfer->kind == KIND_WITHDRAWAL;

	put_transfer(transfer, currency, values, nulls);
	if (!is_plain)
		put_further(transfer, currency, values, nulls);
	return form_result(fcinfo, row_types, is_plain ? TRANSFER_COLUMNS : ROW_COLUMNS, values, nulls);
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
	Datum values[ROW_COLUMNS];
	bool nulls[ROW_COLUMNS];

	put_transfer(transfer, currency, values, nulls);
	put_further(transfer, currency, values, nulls);
	tuplestore_puttuple(result->setResult,
	                    result_row(result->setDesc, row_types, ROW_COLUMNS, values, nulls));
}
