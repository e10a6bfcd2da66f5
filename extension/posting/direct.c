/*
 * direct.c
 *		Payments and holds inside the caller's own transaction, past the queue.
 *
 * Each function reads its arguments into an operation; calls.c carries the operation out.
 */
#include "base/version.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "base/refusal.h"
#include "base/statement.h"
#include "posting/calls.h"
#include "posting/results.h"

PG_FUNCTION_INFO_V1(wallet_create);
PG_FUNCTION_INFO_V1(wallet_deposit);
PG_FUNCTION_INFO_V1(wallet_withdraw);
PG_FUNCTION_INFO_V1(wallet_transfer);
PG_FUNCTION_INFO_V1(wallet_hold);
PG_FUNCTION_INFO_V1(wallet_capture);
PG_FUNCTION_INFO_V1(wallet_void);
PG_FUNCTION_INFO_V1(wallet_hold_extend);
PG_FUNCTION_INFO_V1(wallet_reverse);
PG_FUNCTION_INFO_V1(wallet_reverse_group);

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
	code = ledger_judge(&ledger, &operation);
	ledger_settle(&ledger);
	if (code == CODE_OK && !ledger_insert(&ledger, NULL))
		code = CODE_WALLET_EXISTS;
	if (code != CODE_OK)
		refuse(code, describe_new_wallet(operation.user_id, code, currency));
	SPI_finish();
	return wallet_result(fcinfo, &room.wallets[0]);
}

/*
 * Below, arguments are read one statement after the other, so that the first wrong one is refused:
 * C does not say in which order the members of an initializer are evaluated.
 */

static Datum
post_one(FunctionCallInfo fcinfo, int metadata_at, Operation *operation)
{
	Call call;
	Transfer row;
	Currency currency;

	require_writes(fcinfo);
	SPI_connect();
	call_post(fcinfo, metadata_at, operation, &call);
	row = call.rows[0];
	currency = call_currency(&call, &row);
	SPI_finish();
	return transfer_result(fcinfo, &row, &currency);
}

/* An amount, and how much of it is moved: the mode "all" takes no amount, the others need one. */
static void
quantity_arguments(FunctionCallInfo fcinfo, int amount_at, Operation *operation)
{
	operation->amount_mode = (uint8) choice_argument(fcinfo, amount_at + 1, amount_mode_names,
	                                                 MODE_COUNT, CODE_INVALID_AMOUNT_MODE);
	operation->amount = operation->amount_mode == MODE_ALL
	                        ? optional_amount_argument(fcinfo, amount_at, "amount")
	                        : amount_argument(fcinfo, amount_at);
}

/* wallet_deposit(wallet_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_deposit(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_DEPOSIT, .max_capture = AMOUNT_NONE};

	operation.destination_wallet_id = id_argument(fcinfo, 0, "wallet_id");
	operation.amount = amount_argument(fcinfo, 1);
	return post_one(fcinfo, 2, &operation);
}

/*
 * wallet_withdraw(wallet_id, amount, amount_mode, metadata, idempotency_key)
 *		→ wallet.transfer_info
 */
Datum
wallet_withdraw(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_WITHDRAWAL, .max_capture = AMOUNT_NONE};

	operation.source_wallet_id = id_argument(fcinfo, 0, "wallet_id");
	quantity_arguments(fcinfo, 1, &operation);
	return post_one(fcinfo, 3, &operation);
}

/*
 * wallet_transfer(source_wallet_id, destination_wallet_id, amount, amount_mode, metadata,
 *		idempotency_key) → wallet.transfer_info
 */
Datum
wallet_transfer(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_TRANSACTION, .max_capture = AMOUNT_NONE};

	operation.source_wallet_id = id_argument(fcinfo, 0, "source_wallet_id");
	operation.destination_wallet_id = id_argument(fcinfo, 1, "destination_wallet_id");
	quantity_arguments(fcinfo, 2, &operation);
	return post_one(fcinfo, 4, &operation);
}

/*
 * wallet_hold(source_wallet_id, destination_wallet_id, amount, expires_in, max_capture, expires_at,
 *		metadata, idempotency_key) → wallet.transfer_info
 * Without a destination it is the outside.  The hold's id is the transfer_id.
 */
Datum
wallet_hold(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_HOLD};

	operation.source_wallet_id = id_argument(fcinfo, 0, "source_wallet_id");
	operation.destination_wallet_id = optional_id_argument(fcinfo, 1, "destination_wallet_id");
	operation.amount = amount_argument(fcinfo, 2);
	operation.expires_in = expires_in_argument(fcinfo, 3);
	operation.max_capture = optional_amount_argument(fcinfo, 4, "max_capture");
	operation.expires_at = expires_at_argument(fcinfo, 5);
	return post_one(fcinfo, 6, &operation);
}

/* wallet_capture(hold_id, amount, final, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_capture(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_CAPTURE, .max_capture = AMOUNT_NONE};

	operation.link_id = id_argument(fcinfo, 0, "hold_id");
	operation.amount = optional_amount_argument(fcinfo, 1, "amount");
	operation.keeps_rest = !flag_argument(fcinfo, 2, true);
	return post_one(fcinfo, 3, &operation);
}

/* wallet_void(hold_id, amount, metadata, idempotency_key) → wallet.transfer_info */
Datum
wallet_void(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_VOID, .max_capture = AMOUNT_NONE};

	operation.link_id = id_argument(fcinfo, 0, "hold_id");
	operation.amount = optional_amount_argument(fcinfo, 1, "amount");
	return post_one(fcinfo, 2, &operation);
}

/*
 * wallet_hold_extend(hold_id, amount, expires_in, expires_at, metadata, idempotency_key)
 *		→ wallet.transfer_info
 * The amount is the new total.
 */
Datum
wallet_hold_extend(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_HOLD_EXTEND, .max_capture = AMOUNT_NONE};

	operation.link_id = id_argument(fcinfo, 0, "hold_id");
	operation.amount = optional_amount_argument(fcinfo, 1, "amount");
	operation.expires_in = expires_in_argument(fcinfo, 2);
	operation.expires_at = expires_at_argument(fcinfo, 3);
	return post_one(fcinfo, 4, &operation);
}

/*
 * wallet_reverse(transfer_id, amount, shortfall, metadata, idempotency_key)
 *		→ wallet.transfer_info
 */
Datum
wallet_reverse(PG_FUNCTION_ARGS)
{
	Operation operation = {.kind = KIND_REVERSAL, .max_capture = AMOUNT_NONE};

	operation.link_id = id_argument(fcinfo, 0, "transfer_id");
	operation.amount = optional_amount_argument(fcinfo, 1, "amount");
	operation.shortfall = (uint8) choice_argument(fcinfo, 2, shortfall_names, SHORTFALL_COUNT,
	                                              CODE_INVALID_SHORTFALL);
	return post_one(fcinfo, 3, &operation);
}

/*
 * wallet_reverse_group(group_id, keep_fees, metadata, idempotency_key)
 *		→ SETOF wallet.transfer_info
 */
Datum
wallet_reverse_group(PG_FUNCTION_ARGS)
{
	Operation operation = {
	    .kind = KIND_GROUP_REVERSAL, .amount = AMOUNT_NONE, .max_capture = AMOUNT_NONE};

	operation.link_id = id_argument(fcinfo, 0, "group_id");
	operation.keep_fees = flag_argument(fcinfo, 1, false);
	call_post_group(fcinfo, 2, &operation);
	return (Datum) 0;
}
