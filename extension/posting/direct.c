/*
 * direct.c
 *		Payments inside the caller's own transaction, past the queue.
 *
 * The same rules and the same tables as the worker's, for one request: lock the
 * wallets, check, post.  A refusal is an error, so nothing is left of it.
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
#include "posting/batch.h"
#include "rules/codes.h"
#include "rules/number.h"
#include "rules/post.h"
#include "tables/idempotency.h"
#include "tables/currencies.h"
#include "tables/journal.h"
#include "tables/outcomes.h"
#include "tables/wallets.h"

PG_FUNCTION_INFO_V1(wallet_create);
PG_FUNCTION_INFO_V1(wallet_deposit);
PG_FUNCTION_INFO_V1(wallet_withdraw);
PG_FUNCTION_INFO_V1(wallet_transfer);
PG_FUNCTION_INFO_V1(wallet_set_status);

/* The tuple of the function's composite result type, of which we have made these columns. */
static Datum
form_result(FunctionCallInfo fcinfo, const Oid *types, int count, Datum *values, bool *nulls)
{
	TupleDesc columns = lookup_rowtype_tupdesc(get_func_rettype(fcinfo->flinfo->fn_oid), -1);
	HeapTuple row = result_row(columns, types, count, values, nulls);

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

/* The id of the user's wallet; 0 where there is none that the snapshot shows. */
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

/* What the request was about, as the detail of a refusal; the source is NULL where there is none.
 */
static char *
describe(const Request *request, WalletCode code, const Wallet *source)
{
	StringInfoData detail;
	char balance[AMOUNT_TEXT_SIZE];
	int64 wallet_id = code == CODE_WALLET_EXISTS ? find_wallet_of(request->user_id) : 0;

	initStringInfo(&detail);
	if (wallet_id > 0)
		appendStringInfo(&detail, "User " INT64_FORMAT " has wallet " INT64_FORMAT ".",
		                 request->user_id, wallet_id);
	else if (code == CODE_INSUFFICIENT_FUNDS)
	{
		amount_format(source->balance, source->currency.minor_digits, balance);
		appendStringInfo(&detail, "Wallet " INT64_FORMAT " holds %s %s.", source->wallet_id,
		                 balance, source->currency.code);
	}
	else if (request->kind == KIND_WALLET)
		appendStringInfo(&detail, "User " INT64_FORMAT ", currency \"%s\".", request->user_id,
		                 request->currency);
	else if (request->kind == KIND_TRANSACTION)
		appendStringInfo(&detail, "From wallet " INT64_FORMAT " to wallet " INT64_FORMAT ".",
		                 request->source_wallet_id, request->destination_wallet_id);
	else
		appendStringInfo(&detail, "Wallet " INT64_FORMAT ".",
		                 Max(request->source_wallet_id, request->destination_wallet_id));
	return detail.data;
}

/*
 * wallet_create(user_id bigint, amount numeric, currency text) → wallet.wallet_info
 * An initial amount is recorded as a deposit.
 */
Datum
wallet_create(PG_FUNCTION_ARGS)
{
	Request request = {.kind = KIND_WALLET, .user_id = id_argument(fcinfo, 0, "user_id")};
	int64 with_wallet;
	Currency currency;
	bool known;
	Wallet wallet;
	Transfer deposit;
	WalletCode code;
	char *currency_code;

	PreventCommandIfReadOnly("wallet_create()");
	request.amount = amount_argument(fcinfo, 1);
	require_argument(fcinfo, 2, "currency");
	currency_code = text_to_cstring(PG_GETARG_TEXT_PP(2));
	currency_code = asc_tolower(currency_code, strlen(currency_code));

	SPI_connect();
	known = currency_find(currency_code, &currency);
	strlcpy(request.currency, currency_code, sizeof(request.currency));
	code = post_new_wallet(&request, wallets_of_users(&request.user_id, 1, &with_wallet) > 0,
	                       known ? &currency : NULL, GetCurrentTimestamp(), &wallet, &deposit);
	if (code != CODE_OK)
		refuse(code, describe(&request, code, NULL));
	if (wallets_insert(&wallet, 1) == 0)
		refuse(CODE_WALLET_EXISTS, describe(&request, CODE_WALLET_EXISTS, NULL));
	if (deposit.transfer_id > 0)
		journal_insert(&deposit, 1, NULL);
	SPI_finish();
	return wallet_result(fcinfo, &wallet);
}

static Wallet *
find_locked(Wallet *wallets, int count, int64 wallet_id)
{
	for (int i = 0; i < count; i++)
	{
		if (wallets[i].wallet_id == wallet_id)
			return &wallets[i];
	}
	return NULL;
}

/* Read the arguments from metadata on: they are the same for all three functions. */
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
 * Has this call been made before?  Its key belongs to the user of the one wallet there is, or of
 * the source; that wallet's lock keeps two calls with the same key apart.
 */
static bool
is_repeated(const Request *request, const char *key, const char *extra, const Wallet *own,
            IdempotentCall *call)
{
	*call = (IdempotentCall){.user_id = own->user_id, .key = key, .is_direct = true};
	idempotency_fingerprint(request, extra, call->fingerprint);
	idempotency_find(&call, 1);
	if (call->mismatched)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
	return call->repeated;
}

/* Keep the key with the transfer; somebody may have queued a request with the same one. */
static void
store_key(IdempotentCall *call, int64 transfer_id)
{
	call->transfer_id = transfer_id;
	idempotency_claim(&call, 1);
	if (call->mismatched || call->repeated)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
}

/* Lock the request's wallets, in the order of their ids; returns how many there are. */
static int
lock_request_wallets(const Request *request, LockMode mode, Wallet *wallets)
{
	int64 ids[2];
	int count = 0;

	if (request->source_wallet_id > 0)
		ids[count++] = request->source_wallet_id;
	if (request->destination_wallet_id > 0)
		ids[count++] = request->destination_wallet_id;
	return wallets_lock(ids, count, mode, wallets);
}

/*
 * Store the wallets, which were as before when they were read.  If that is too late for the second
 * one, the first is put back: it is ours now, so that we wait for the other in the order of the
 * ids.
 */
static bool
update_request_wallets(Wallet *before, Wallet *wallets, int count)
{
	int updated = wallets_update(wallets, count);

	if (updated == count)
		return true;
	for (int i = 0; i < updated; i++)
		before[i].row = wallets[i].row;
	if (updated > 0)
		(void) wallets_update(before, updated);
	return false;
}

/*
 * Carry out the request, or find what it did when it came before with the same key.  False, with
 * nothing changed, when it is to be refused or too late, and not all wallets were locked.
 */
static bool
try_to_move_money(const Request *request, const char *key, const Datum *metadata, LockMode mode,
                  Transfer *transfer, Currency *currency)
{
	Wallet wallets[2];
	int count = lock_request_wallets(request, mode, wallets);
	Wallet before[2] = {wallets[0], wallets[1]};
	Wallet *source = find_locked(wallets, count, request->source_wallet_id);
	Wallet *destination = find_locked(wallets, count, request->destination_wallet_id);
	Wallet *own = request->source_wallet_id > 0 ? source : destination;
	IdempotentCall call;
	WalletCode code;

	if (key != NULL && own != NULL &&
	    is_repeated(request, key, metadata_text(metadata), own, &call))
	{
		journal_get(call.transfer_id, transfer, currency);
		return true;
	}
	code = post_money(request, source, destination, GetCurrentTimestamp(), transfer);
	if (code != CODE_OK && mode == LOCK_WHAT_IS_HELD)
		return false;
	if (code != CODE_OK)
		refuse(code, describe(request, code, source));
	if (!update_request_wallets(before, wallets, count))
		return false;
	journal_insert(transfer, 1, metadata);
	if (key != NULL)
		store_key(&call, transfer->transfer_id);
	*currency = own->currency;
	return true;
}

/* A key is looked up under the lock of the wallet that it belongs to. */
static void
move_money(const Request *request, const char *key, const Datum *metadata, Transfer *transfer,
           Currency *currency)
{
	if (key == NULL &&
	    try_to_move_money(request, key, metadata, LOCK_WHAT_IS_HELD, transfer, currency))
		return;
	if (!try_to_move_money(request, key, metadata, LOCK_WAIT, transfer, currency))
		elog(ERROR, "a locked wallet has changed");
}

static Datum
post_directly(FunctionCallInfo fcinfo, Request *request, int amount_at)
{
	Datum metadata;
	const Datum *metadata_or_null = metadata_argument(fcinfo, amount_at + 1, &metadata);
	const char *key;
	Transfer transfer;
	Currency currency;

	if (XactReadOnly)
		PreventCommandIfReadOnly(psprintf("%s()", get_func_name(fcinfo->flinfo->fn_oid)));
	request->amount = amount_argument(fcinfo, amount_at);
	key = key_argument(fcinfo, amount_at + 2);
	SPI_connect();
	move_money(request, key, metadata_or_null, &transfer, &currency);
	SPI_finish();
	return transfer_result(fcinfo, &transfer, &currency);
}

/* wallet_deposit(wallet_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_deposit(PG_FUNCTION_ARGS)
{
	Request request = {
	    .kind = KIND_DEPOSIT,
	    .destination_wallet_id = id_argument(fcinfo, 0, "wallet_id"),
	};

	return post_directly(fcinfo, &request, 1);
}

/* wallet_withdraw(wallet_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_withdraw(PG_FUNCTION_ARGS)
{
	Request request = {
	    .kind = KIND_WITHDRAWAL,
	    .source_wallet_id = id_argument(fcinfo, 0, "wallet_id"),
	};

	return post_directly(fcinfo, &request, 1);
}

/*
 * wallet_transfer(source_wallet_id, destination_wallet_id, amount, metadata, idempotency_key)
 *		→ wallet.transfer_info
 */
Datum
wallet_transfer(PG_FUNCTION_ARGS)
{
	Request request = {
	    .kind = KIND_TRANSACTION,
	    .source_wallet_id = id_argument(fcinfo, 0, "source_wallet_id"),
	    .destination_wallet_id = id_argument(fcinfo, 1, "destination_wallet_id"),
	};

	return post_directly(fcinfo, &request, 2);
}

/* wallet_set_status(wallet_id bigint, status text) → wallet.wallet_info */
Datum
wallet_set_status(PG_FUNCTION_ARGS)
{
	int64 wallet_id = id_argument(fcinfo, 0, "wallet_id");
	WalletStatus status;
	Wallet wallet;
	WalletCode code;
	bool found;

	require_argument(fcinfo, 1, "status");
	PreventCommandIfReadOnly("wallet_set_status()");
	if (!status_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)), &status))
		refuse(CODE_UNKNOWN_STATUS, NULL);
	SPI_connect();
	found = wallets_lock(&wallet_id, 1, LOCK_WAIT, &wallet) > 0;
	code = check_status(found ? &wallet : NULL, status);
	if (code != CODE_OK)
		refuse(code, psprintf("Wallet " INT64_FORMAT ".", wallet_id));
	wallet.status = status;
	wallet.updated_at = moment_of_write(GetCurrentTimestamp(), &wallet);
	wallets_update_status(&wallet);
	SPI_finish();
	return wallet_result(fcinfo, &wallet);
}
