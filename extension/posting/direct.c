/*
 * direct.c
 *		Payments inside the caller's own transaction, past the queue.
 *
 * One operation goes through the same ledger and the same rules as a batch of the worker's.  A
 * refusal is an error, so the caller's transaction keeps nothing of it.
 *
 * Locking: docs/posting.md, "Lock modes".
 */
#include "base/version.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/money.h"
#include "base/refusal.h"
#include "base/result.h"
#include "base/statement.h"
#include "posting/ledger.h"
#include "rules/wallet.h"
#include "tables/idempotency.h"
#include "tables/journal.h"

PG_FUNCTION_INFO_V1(wallet_create);
PG_FUNCTION_INFO_V1(wallet_deposit);
PG_FUNCTION_INFO_V1(wallet_withdraw);
PG_FUNCTION_INFO_V1(wallet_transfer);
PG_FUNCTION_INFO_V1(wallet_set_status);

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

/* As wallet.wallet_info. */
static Datum
wallet_result(FunctionCallInfo fcinfo, const Wallet *wallet)
{
	static const Oid types[] = {INT8OID, INT8OID,        TEXTOID,       NUMERICOID,
	                            TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	bool nulls[lengthof(types)] = {false};
	Datum values[lengthof(types)] = {
	    Int64GetDatum(wallet->wallet_id),
	    Int64GetDatum(wallet->user_id),
	    CStringGetTextDatum(status_names[wallet->status]),
	    NumericGetDatum(amount_to_numeric(wallet->balance, wallet->currency.minor_digits)),
	    CStringGetTextDatum(wallet->currency.code),
	    TimestampTzGetDatum(wallet->created_at),
	    TimestampTzGetDatum(wallet->updated_at),
	};

	return form_result(fcinfo, types, lengthof(types), values, nulls);
}

/* As wallet.transfer_info: the outside is null. */
static Datum
transfer_result(FunctionCallInfo fcinfo, const Transfer *transfer, const Currency *currency)
{
	static const Oid types[] = {INT8OID,    INT8OID,    INT8OID,       NUMERICOID,
	                            NUMERICOID, NUMERICOID, TIMESTAMPTZOID};
	bool from_outside = transfer->source_wallet_id < 0;
	bool to_outside = transfer->destination_wallet_id < 0;
	int digits = currency->minor_digits;
	bool nulls[lengthof(types)] = {false,        from_outside, to_outside, false,
	                               from_outside, to_outside,   false};
	Datum values[lengthof(types)] = {
	    Int64GetDatum(transfer->transfer_id),
	    Int64GetDatum(transfer->source_wallet_id),
	    Int64GetDatum(transfer->destination_wallet_id),
	    NumericGetDatum(amount_to_numeric(transfer->amount, digits)),
	    NumericGetDatum(amount_to_numeric(transfer->source_balance, digits)),
	    NumericGetDatum(amount_to_numeric(transfer->destination_balance, digits)),
	    TimestampTzGetDatum(transfer->posted_at),
	};

	return form_result(fcinfo, types, lengthof(types), values, nulls);
}

static void
require_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

static int64
id_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int64 id;

	require_argument(fcinfo, argument, name);
	id = PG_GETARG_INT64(argument);
	if (id <= 0)
		refuse(CODE_ID_OUT_OF_RANGE, psprintf("%s is " INT64_FORMAT ".", name, id));
	return id;
}

static Amount
amount_argument(FunctionCallInfo fcinfo, int argument)
{
	require_argument(fcinfo, argument, "amount");
	return amount_from_numeric(PG_GETARG_NUMERIC(argument));
}

/* The id of the user's wallet; 0 when the snapshot shows none. */
static int64
find_wallet_of(int64 user_id)
{
	static Statement find = {
	    "SELECT w.wallet_id::bigint FROM wallet.wallet AS w WHERE w.user_id = $1",
	    1,
	    {INT8OID},
	    NULL,
	};
	Datum argument = Int64GetDatum(user_id);

	statement_run(&find, &argument, NULL, false);
	return SPI_processed == 0 ? 0 : result_int64(0, 1);
}

/* What the operation was about, as the detail of a refusal. */
static char *
describe(const Operation *operation, WalletCode code, const WorkingSet *set)
{
	char balance[AMOUNT_TEXT_SIZE];

	if (code == CODE_INSUFFICIENT_FUNDS)
	{
		const Wallet *source = working_set_wallet(set, operation->source_wallet_id);

		amount_format(source->balance, source->currency.minor_digits, balance);
		return psprintf("Wallet " INT64_FORMAT " holds %s %s.", source->wallet_id, balance,
		                source->currency.code);
	}
	if (operation->source_wallet_id > 0 && operation->destination_wallet_id > 0)
		return psprintf("From wallet " INT64_FORMAT " to wallet " INT64_FORMAT ".",
		                operation->source_wallet_id, operation->destination_wallet_id);
	return psprintf("Wallet " INT64_FORMAT ".",
	                Max(operation->source_wallet_id, operation->destination_wallet_id));
}

static char *
describe_new_wallet(int64 user_id, WalletCode code, const char *currency)
{
	int64 wallet_id = code == CODE_WALLET_EXISTS ? find_wallet_of(user_id) : 0;

	if (wallet_id > 0)
		return psprintf("User " INT64_FORMAT " has wallet " INT64_FORMAT ".", user_id, wallet_id);
	return psprintf("User " INT64_FORMAT ", currency \"%s\".", user_id, currency);
}

/*
 * wallet_create(user_id bigint, amount numeric, currency text) → wallet.wallet_info
 * An initial amount is recorded as a deposit.
 */
Datum
wallet_create(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_WALLET, .user_id = id_argument(fcinfo, 0, "user_id")};
	Ledger ledger;
	LedgerRoom room;
	WalletCode code;
	char *currency;

	PreventCommandIfReadOnly("wallet_create()");
	operation.amount = amount_argument(fcinfo, 1);
	require_argument(fcinfo, 2, "currency");
	currency = text_to_cstring(PG_GETARG_TEXT_PP(2));
	currency = asc_tolower(currency, strlen(currency));
	/* A longer code is no currency's, and neither is "". */
	if (strlen(currency) < sizeof(operation.currency))
		strlcpy(operation.currency, currency, sizeof(operation.currency));

	SPI_connect();
	ledger_open_one(&ledger, &room, &operation);
	ledger_load(&ledger, LOCK_WAIT);
	code = rules_judge(&operation, &ledger.set, &ledger.effects);
	ledger_settle(&ledger);
	if (code == CODE_OK && !ledger_insert(&ledger, NULL))
		code = CODE_WALLET_EXISTS;
	if (code != CODE_OK)
		refuse(code, describe_new_wallet(operation.user_id, code, currency));
	SPI_finish();
	return wallet_result(fcinfo, &room.wallets[0]);
}

/* Sets metadata and returns it; returns NULL when the argument is null. */
static const Datum *
metadata_argument(FunctionCallInfo fcinfo, int argument, Datum *metadata)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	*metadata = PG_GETARG_DATUM(argument);
	return metadata;
}

static const char *
metadata_text(const Datum *metadata)
{
	Jsonb *json;

	if (metadata == NULL)
		return NULL;
	json = DatumGetJsonbP(*metadata);
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static const char *
key_argument(FunctionCallInfo fcinfo, int argument)
{
	const char *key;

	if (PG_ARGISNULL(argument))
		return NULL;
	key = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (!idempotency_key_is_valid(key))
		refuse(CODE_INVALID_IDEMPOTENCY_KEY, NULL);
	return key;
}

/*
 * Has this call been made before?  The key belongs to the user of the own wallet: of the source, or
 * of the one wallet that the operation has.  The lock of the own wallet keeps two calls with the
 * same key apart.
 */
static bool
is_repeated(const Operation *operation, const char *key, const char *extra, const Wallet *own,
            IdempotentCall *call)
{
	*call = (IdempotentCall){.user_id = own->user_id, .key = key, .is_direct = true};
	idempotency_fingerprint(operation, extra, call->fingerprint);
	idempotency_find(&call, 1);
	if (call->mismatched)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
	return call->repeated;
}

/* Stores the key with the transfer.  Refuses a key that a queued request uses already. */
static void
store_key(IdempotentCall *call, int64 transfer_id)
{
	call->transfer_id = transfer_id;
	idempotency_claim(&call, 1);
	if (call->mismatched || call->repeated)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
}

/*
 * Carries out the operation, or finds the transfer of an earlier call with the same key.  Returns
 * false, with nothing changed, when the wallets have to be locked first: another transaction has
 * changed one that was not locked, or a refusal may come from a wallet that was not locked.
 */
static bool
try_to_move_money(const Operation *operation, const char *key, const Datum *metadata, LockMode mode,
                  Transfer *transfer, Currency *currency)
{
	Ledger ledger;
	LedgerRoom room;
	EffectsMark mark;
	const Wallet *own = NULL;
	IdempotentCall call;
	WalletCode code;

	ledger_open_one(&ledger, &room, operation);
	ledger_load(&ledger, mode);
	if (key != NULL)
		own = working_set_wallet(&ledger.set, operation->source_wallet_id > 0
		                                          ? operation->source_wallet_id
		                                          : operation->destination_wallet_id);
	if (own != NULL && is_repeated(operation, key, metadata_text(metadata), own, &call))
	{
		journal_get(call.transfer_id, transfer, currency);
		return true;
	}
	mark = ledger_mark(&ledger);
	code = rules_judge(operation, &ledger.set, &ledger.effects);
	if (code != CODE_OK && mode == LOCK_WHAT_IS_HELD)
		return false;
	if (code != CODE_OK)
		refuse(code, describe(operation, code, &ledger.set));
	ledger_settle(&ledger);
	if (!ledger_update(&ledger, &mark))
		return false;
	(void) ledger_insert(&ledger, metadata);
	/* The row of the operation comes after those of holds that have expired. */
	*transfer = ledger.effects.transfers[ledger.effects.transfer_count - 1];
	*currency = ledger.set.wallets[0].currency; /* all of them have the same */
	if (key != NULL)
		store_key(&call, transfer->transfer_id);
	return true;
}

/* With a key the wallets are locked first: the lock of the own wallet protects the key. */
static void
move_money(const Operation *operation, const char *key, const Datum *metadata, Transfer *transfer,
           Currency *currency)
{
	if (key == NULL &&
	    try_to_move_money(operation, key, metadata, LOCK_WHAT_IS_HELD, transfer, currency))
		return;
	if (!try_to_move_money(operation, key, metadata, LOCK_WAIT, transfer, currency))
		elog(ERROR, "a locked wallet has changed");
}

static Datum
post_directly(FunctionCallInfo fcinfo, Operation *operation, int amount_at)
{
	Datum metadata;
	const Datum *metadata_or_null = metadata_argument(fcinfo, amount_at + 1, &metadata);
	const char *key;
	Transfer transfer;
	Currency currency;

	if (XactReadOnly)
		PreventCommandIfReadOnly(psprintf("%s()", get_func_name(fcinfo->flinfo->fn_oid)));
	operation->amount = amount_argument(fcinfo, amount_at);
	key = key_argument(fcinfo, amount_at + 2);
	SPI_connect();
	move_money(operation, key, metadata_or_null, &transfer, &currency);
	SPI_finish();
	return transfer_result(fcinfo, &transfer, &currency);
}

/* wallet_deposit(wallet_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_deposit(PG_FUNCTION_ARGS)
{
	Operation operation = {
	    .kind = KIND_DEPOSIT,
	    .destination_wallet_id = id_argument(fcinfo, 0, "wallet_id"),
	};

	return post_directly(fcinfo, &operation, 1);
}

/* wallet_withdraw(wallet_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_withdraw(PG_FUNCTION_ARGS)
{
	Operation operation = {
	    .kind = KIND_WITHDRAWAL,
	    .source_wallet_id = id_argument(fcinfo, 0, "wallet_id"),
	};

	return post_directly(fcinfo, &operation, 1);
}

/*
 * wallet_transfer(source_wallet_id, destination_wallet_id, amount, metadata, idempotency_key)
 *		→ wallet.transfer_info
 */
Datum
wallet_transfer(PG_FUNCTION_ARGS)
{
	Operation operation = {
	    .kind = KIND_TRANSACTION,
	    .source_wallet_id = id_argument(fcinfo, 0, "source_wallet_id"),
	    .destination_wallet_id = id_argument(fcinfo, 1, "destination_wallet_id"),
	};

	return post_directly(fcinfo, &operation, 2);
}

/* wallet_set_status(wallet_id bigint, status text) → wallet.wallet_info */
Datum
wallet_set_status(PG_FUNCTION_ARGS)
{
	Operation operation = {.source_wallet_id = id_argument(fcinfo, 0, "wallet_id")};
	WalletStatus status;
	Ledger ledger;
	LedgerRoom room;
	WalletCode code;

	require_argument(fcinfo, 1, "status");
	PreventCommandIfReadOnly("wallet_set_status()");
	if (!status_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)), &status))
		refuse(CODE_UNKNOWN_STATUS, NULL);
	SPI_connect();
	ledger_open_one(&ledger, &room, &operation);
	ledger_load(&ledger, LOCK_WAIT);
	code = rule_status(operation.source_wallet_id, status, &ledger.set, &ledger.effects);
	if (code != CODE_OK)
		refuse(code, describe(&operation, code, &ledger.set));
	ledger_settle(&ledger);
	(void) ledger_update(&ledger, NULL);
	SPI_finish();
	return wallet_result(fcinfo, &room.wallets[0]);
}
