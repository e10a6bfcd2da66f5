/*
 * many.c
 *		Many transfers in one call, in the caller's transaction.
 *
 * The transfers of a call are one batch: all wallets are read and locked in the order of their
 * ids, the transfers are judged one after the other, and each table is written once.
 *
 * Locking: docs/posting.md, "Lock modes".  As with one direct payment, the first attempt locks the
 * wallets up to the last one that another transaction holds, and the UPDATE locks the others.
 * When one of these has changed meanwhile, the wallets that were written get their old balances
 * again, and the second attempt locks all wallets.
 */
#include "base/version.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/freed_memory.h"
#include "base/money.h"
#include "base/refusal.h"
#include "posting/calls.h"
#include "posting/details.h"
#include "posting/ledger.h"

PG_FUNCTION_INFO_V1(wallet_transfer_many);

/* Transfers of one call. */
#define ROWS_MAX 65536

typedef struct Many
{
	Operation *operations;
	const WalletCode *wrong; /* CODE_OK, or what is wrong with the arguments of a row */
	WalletCode *codes;       /* CODE_OK, or why a row is refused */
	int *places;             /* of a row's transfer among those of the ledger */
	int count;
	bool all_or_nothing;
} Many;

/*
 * An array argument without a null, and its number of elements, which is the one expected; any
 * when that is -1.
 */
static ArrayType *
array_argument(FunctionCallInfo fcinfo, int argument, const char *name, int expected, int *count)
{
	ArrayType *array;

	require_argument(fcinfo, argument, name);
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("array \"%s\" must not contain a null", name)));
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (expected >= 0 && *count != expected)
		ereport(ERROR,
		        (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		         errmsg("array \"%s\" has %d elements instead of %d", name, *count, expected)));
	return array;
}

/* The elements of an array argument of type bigint[], in the array's own memory. */
static const int64 *
ids_argument(FunctionCallInfo fcinfo, int argument, const char *name, int expected, int *count)
{
	ArrayType *array = array_argument(fcinfo, argument, name, expected, count);

	Assert(ARR_ELEMTYPE(array) == INT8OID);
	return (const int64 *) ARR_DATA_PTR(array);
}

/* The elements of an array argument of type numeric[]. */
static Datum *
numbers_argument(FunctionCallInfo fcinfo, int argument, const char *name, int expected)
{
	int count;
	ArrayType *array = array_argument(fcinfo, argument, name, expected, &count);
	Datum *elements;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	return elements;
}

/* A reference that is given must not be lost: until there are references none is taken. */
static void
refuse_references(FunctionCallInfo fcinfo, int argument)
{
	if (!PG_ARGISNULL(argument))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("references of transfers are not supported yet"),
		                errhint("Leave the argument \"references\" out.")));
}

static WalletCode
read_row(int64 source, int64 destination, Numeric amount, Operation *operation)
{
	*operation = (Operation){
	    .kind = KIND_TRANSACTION,
	    .source_wallet_id = source,
	    .destination_wallet_id = destination,
	    .max_capture = AMOUNT_NONE,
	};
	if (operation->source_wallet_id <= 0 || operation->destination_wallet_id <= 0)
		return CODE_ID_OUT_OF_RANGE;
	return amount_read_numeric(amount, &operation->amount);
}

static void
read_rows(FunctionCallInfo fcinfo, Many *many)
{
	const int64 *sources = ids_argument(fcinfo, 0, "sources", -1, &many->count);
	const int64 *destinations = ids_argument(fcinfo, 1, "destinations", many->count, &many->count);
	Datum *amounts = numbers_argument(fcinfo, 2, "amounts", many->count);
	int room = Max(many->count, 1);
	WalletCode *wrong;

	refuse_references(fcinfo, 3);
	if (many->count > ROWS_MAX)
		refuse_with_message(CODE_TOO_MANY_ITEMS,
		                    psprintf("the arrays have more than %d elements", ROWS_MAX));
	many->operations = palloc(sizeof(Operation) * room);
	many->codes = palloc(sizeof(WalletCode) * room);
	many->places = palloc(sizeof(int) * room);
	many->wrong = wrong = palloc(sizeof(WalletCode) * room);
	for (int i = 0; i < many->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		wrong[i] = read_row(sources[i], destinations[i], DatumGetNumeric(amounts[i]),
		                    &many->operations[i]);
	}
}

/*
 * Judges the rows in their order.  Where the first refusal ends the call, raises the error of that
 * refusal, or returns false when it may come from a wallet that was not locked.
 */
static bool
judge_rows(Many *many, LockMode mode, Ledger *ledger)
{
	for (int i = 0; i < many->count; i++)
	{
		const Operation *operation = &many->operations[i];
		WalletCode code = many->wrong[i];

		CHECK_FOR_INTERRUPTS();
		if (code == CODE_OK)
			code = ledger_judge(ledger, operation);
		if (code != CODE_OK && many->all_or_nothing && mode == LOCK_SOME)
			return false;
		if (code != CODE_OK && many->all_or_nothing)
			refuse(code, many->wrong[i] != CODE_OK
			                 ? psprintf("Row %d.", i + 1)
			                 : psprintf("Row %d: %s", i + 1, call_detail(operation, code, ledger)));
		many->codes[i] = code;
		/* Rows of holds that have expired come before the row of the transfer. */
		many->places[i] = ledger->effects.transfer_count - 1;
	}
	return true;
}

/* Returns false, with nothing changed, when all wallets have to be locked first. */
static bool
try_rows(Many *many, LockMode mode, Ledger *ledger)
{
	Wallet *loaded;

	ledger_open(ledger, many->operations, many->count);
	ledger_load(ledger, mode);
	loaded = ledger_copy_wallets(ledger);
	if (!judge_rows(many, mode, ledger))
		return false;
	ledger_settle(ledger);
	if (mode == LOCK_SOME &&
	    !(ledger_is_current(ledger) && ledger_update_or_restore(ledger, loaded)))
		return false;
	if (mode == LOCK_WAIT && !ledger_update(ledger, NULL))
		elog(ERROR, "a locked wallet has changed");
	(void) ledger_insert(ledger, NULL);
	return true;
}

/* The first columns of a result's row, as they lie in a tuple. */
typedef struct ResultStart
{
	int32 ordinal;
	int64 transfer_id; /* where it is not null */
} ResultStart;

/* Rows with the same code differ in their first columns alone. */
static HeapTuple
make_result(TupleDesc columns, WalletCode code)
{
	const WalletCodeInfo *info = &wallet_codes[code];
	bool is_ok = code == CODE_OK;
	bool nulls[] = {false, !is_ok, false, is_ok};
	Datum values[] = {Int32GetDatum(0), Int64GetDatum(0), CStringGetTextDatum(info->name),
	                  CStringGetTextDatum(info->message)};

	Assert(columns->natts == lengthof(values));
	return heap_form_tuple(columns, values, nulls);
}

static void
put_rows(ReturnSetInfo *result, const Many *many, const Ledger *ledger)
{
	HeapTuple of_code[CODE_COUNT] = {0};

	for (int i = 0; i < many->count; i++)
	{
		WalletCode code = many->codes[i];
		ResultStart *start;

		CHECK_FOR_INTERRUPTS();
		if (of_code[code] == NULL)
			of_code[code] = make_result(result->setDesc, code);
		start = (ResultStart *) GETSTRUCT(of_code[code]);
		start->ordinal = i + 1;
		if (code == CODE_OK)
			start->transfer_id = ledger->effects.transfers[many->places[i]].transfer_id;
		tuplestore_puttuple(result->setResult, of_code[code]);
	}
}

/*
 * wallet_transfer_many(sources bigint[], destinations bigint[], amounts numeric[],
 *		references text[], all_or_nothing boolean) → (ordinal, transfer_id, code, message)
 * One row for each transfer.  With all_or_nothing the first refusal raises its error.
 */
Datum
wallet_transfer_many(PG_FUNCTION_ARGS)
{
	Many many = {.all_or_nothing = flag_argument(fcinfo, 4, false)};
	Ledger ledger;

	InitMaterializedSRF(fcinfo, 0);
	require_writes(fcinfo);
	freed_memory_keep(SESSION_KEEPS_MB);
	SPI_connect();
	read_rows(fcinfo, &many);
	if (many.count > 0 && !try_rows(&many, LOCK_SOME, &ledger))
		(void) try_rows(&many, LOCK_WAIT, &ledger);
	put_rows((ReturnSetInfo *) fcinfo->resultinfo, &many, &ledger);
	SPI_finish();
	return (Datum) 0;
}
