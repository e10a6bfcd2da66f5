/*
 * calls.c
 *		What direct calls have in common: arguments, how they are carried out, refusals.
 *
 * One operation goes through the same ledger and the same rules as a batch of the worker's.  A
 * refusal is an error, so the caller's transaction keeps nothing of it.
 *
 * Order: what the operation says by itself is judged first, then the key, then all that needs a
 * wallet.  So a retry with its key finds the first result, whatever has become of the wallets.
 *
 * Locking: docs/posting.md, "Lock modes".
 */
#include "posting/calls.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/interval.h"
#include "base/money.h"
#include "base/refusal.h"
#include "base/statement.h"
#include "posting/details.h"
#include "posting/resolve.h"
#include "posting/results.h"
#include "rules/group.h"
#include "tables/idempotency.h"
#include "tables/journal.h"
#include "tables/rows.h"

/*
 * Ends of a hold that cannot be: one that has passed, where 0 would mean that none is given, and
 * one that is too far away.
 */
#define PAST_END (-1)
#define TOO_FAR_END PG_INT64_MAX

/* ---- Arguments ---- */

void
require_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

void
require_writes(FunctionCallInfo fcinfo)
{
	if (XactReadOnly)
		PreventCommandIfReadOnly(psprintf("%s()", get_func_name(fcinfo->flinfo->fn_oid)));
}

int64
optional_id_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int64 id;

	if (PG_ARGISNULL(argument))
		return 0;
	id = PG_GETARG_INT64(argument);
	if (id <= 0)
		refuse(CODE_ID_OUT_OF_RANGE, psprintf("%s is " INT64_FORMAT ".", name, id));
	return id;
}

int64
id_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	require_argument(fcinfo, argument, name);
	return optional_id_argument(fcinfo, argument, name);
}

Amount
optional_amount_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	return PG_ARGISNULL(argument) ? AMOUNT_NONE
	                              : amount_from_numeric(PG_GETARG_NUMERIC(argument), name);
}

Amount
amount_argument(FunctionCallInfo fcinfo, int argument)
{
	require_argument(fcinfo, argument, "amount");
	return optional_amount_argument(fcinfo, argument, "amount");
}

bool
flag_argument(FunctionCallInfo fcinfo, int argument, bool by_default)
{
	return PG_ARGISNULL(argument) ? by_default : PG_GETARG_BOOL(argument);
}

int
choice_argument(FunctionCallInfo fcinfo, int argument, const char *const *names, int count,
                WalletCode code)
{
	const char *name;

	if (PG_ARGISNULL(argument))
		return 0;
	name = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	for (int i = 0; i < count; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	refuse(code, psprintf("It is \"%.40s\".", name));
}

int64
expires_in_argument(FunctionCallInfo fcinfo, int argument)
{
	Interval zero = {0};
	int64 us;

	if (PG_ARGISNULL(argument))
		return 0;
	if (interval_to_us(PG_GETARG_INTERVAL_P(argument), &us))
		return us > 0 ? us : PAST_END;
	return DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(argument),
	                                        IntervalPGetDatum(&zero)))
	           ? PAST_END
	           : TOO_FAR_END;
}

int64
expires_at_argument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz moment;

	if (PG_ARGISNULL(argument))
		return 0;
	moment = PG_GETARG_TIMESTAMPTZ(argument);
	return moment == 0 ? PAST_END : moment;
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
key_argument(FunctionCallInfo fcinfo, int argument, const Operation *operation)
{
	const char *key;
	WalletCode code;

	if (PG_ARGISNULL(argument))
		return NULL;
	key = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (idempotency_key_is_valid(key))
		return key;
	code = operation_check(operation, ledger_now());
	if (code == CODE_OK || code > CODE_INVALID_IDEMPOTENCY_KEY)
		refuse(CODE_INVALID_IDEMPOTENCY_KEY, NULL);
	refuse(code, call_detail(operation, code, NULL));
	return NULL;
}

/* ---- Carrying out ---- */

/*
 * The wallet whose user an idempotency key belongs to: the source, where the operation has one, or
 * the one wallet that it has; of a group, that of its first leg.  NULL where there is none.
 */
static const Wallet *
own_wallet(const Operation *operation, const WorkingSet *set)
{
	const Operation *first = group_first_leg(operation, set);

	if (first == NULL)
		first = operation;
	return working_set_wallet(set, first->source_wallet_id > 0 ? first->source_wallet_id
	                                                           : first->destination_wallet_id);
}

/* Fills the rows of an earlier call; those of a group have its first row's id in common. */
static void
get_rows(int64 transfer_id, Call *call)
{
	Currency currency;

	call->is_repeated = true;
	call->rows = &call->repeated;
	call->row_count = 1;
	journal_get(transfer_id, &call->repeated, &currency);
	if (call->repeated.group_id == 0)
		return;
	call->rows = palloc(sizeof(Transfer) * call->repeated.group_size);
	push_new_snapshot();
	call->row_count = journal_find_group(transfer_id, call->rows, call->repeated.group_size);
	PopActiveSnapshot();
	if (call->row_count != call->repeated.group_size)
		elog(ERROR, "group " INT64_FORMAT " lacks rows", transfer_id);
}

/*
 * Has this call been made before?  The lock of the own wallet keeps two calls with the same key
 * apart.
 */
static bool
is_repeated(IdempotentCall *key)
{
	idempotency_find(&key, 1);
	if (key->mismatched)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
	return key->repeated;
}

/* Stores the key with the transfer.  Refuses a key that a queued request uses already. */
static void
store_key(IdempotentCall *key, int64 transfer_id)
{
	key->transfer_id = transfer_id;
	idempotency_claim(&key, 1);
	if (key->mismatched || key->repeated)
		refuse(CODE_IDEMPOTENCY_MISMATCH, NULL);
}

/* The rows of the operation; those of holds that expired on the way belong to no operation. */
static void
collect_rows(Call *call)
{
	Effects *effects = &call->ledger.effects;
	int count = effects->transfer_count;

	call->is_repeated = false;
	call->rows = effects->transfers;
	while (count > 0 && call->rows->kind == KIND_EXPIRY)
		call->rows++, count--;
	call->row_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (call->rows[i].kind != KIND_EXPIRY)
			call->rows[call->row_count++] = call->rows[i];
	}
	Assert(call->row_count > 0);
}

/*
 * Carries out the operation, or finds the rows of an earlier call with the same key (NULL: none).
 * Returns false, with nothing changed, when the wallets have to be locked first: another
 * transaction has changed one that was not locked, or a refusal may come from a wallet that was
 * not locked.
 */
static bool
try_to_post(const Operation *operation, IdempotentCall *key, const Datum *metadata, LockMode mode,
            Call *call)
{
	Ledger *ledger = &call->ledger;
	const Wallet *own;
	EffectsMark mark;
	WalletCode code;

	ledger_open_one(ledger, &call->room, operation);
	ledger_load(ledger, mode);
	own = key == NULL ? NULL : own_wallet(operation, &ledger->set);
	if (own != NULL)
	{
		key->user_id = own->user_id;
		if (is_repeated(key))
		{
			get_rows(key->transfer_id, call);
			return true;
		}
	}
	mark = ledger_mark(ledger);
	code = ledger_judge(ledger, operation);
	if (code != CODE_OK && mode == LOCK_WHAT_IS_HELD)
		return false;
	if (code != CODE_OK)
		refuse(code, call_detail(operation, code, ledger));
	ledger_settle(ledger);
	if (!ledger_update(ledger, &mark))
		return false;
	(void) ledger_insert(ledger, metadata);
	collect_rows(call);
	if (key != NULL)
		store_key(key, call->rows[0].transfer_id);
	return true;
}

/* With a key the wallets are locked first: the lock of the own wallet protects the key. */
void
call_post(FunctionCallInfo fcinfo, int metadata_at, Operation *operation, Call *call)
{
	Datum metadata_room;
	const Datum *metadata = metadata_argument(fcinfo, metadata_at, &metadata_room);
	const char *key = key_argument(fcinfo, metadata_at + 1, operation);
	IdempotentCall repeatable = {.key = key, .is_direct = true};

	if (key != NULL)
	{
		/* Whether the end of a hold is over is judged after the key: a retry may come later. */
		WalletCode code = operation_check(operation, 0);

		if (code != CODE_OK)
		{
			code = operation_check(operation, ledger_now());
			refuse(code, call_detail(operation, code, NULL));
		}
		idempotency_fingerprint(operation, metadata_text(metadata), repeatable.fingerprint);
	}
	resolve_links(operation, 1);
	if (key == NULL && try_to_post(operation, NULL, metadata, LOCK_WHAT_IS_HELD, call))
		return;
	if (!try_to_post(operation, key == NULL ? NULL : &repeatable, metadata, LOCK_WAIT, call))
		elog(ERROR, "a locked wallet has changed");
}

Currency
call_currency(const Call *call, const Transfer *row)
{
	/* One of the two may be the outside, whose id is negative; both have the same currency. */
	int64 wallet_id = Max(row->source_wallet_id, row->destination_wallet_id);
	const Wallet *wallet = working_set_wallet(&call->ledger.set, wallet_id);

	if (wallet == NULL)
		elog(ERROR, "transfer " INT64_FORMAT " is of no wallet", row->transfer_id);
	return wallet->currency;
}

void
call_post_group(FunctionCallInfo fcinfo, int metadata_at, Operation *operation)
{
	Call call;

	require_writes(fcinfo);
	transfer_results_open(fcinfo);
	SPI_connect();
	call_post(fcinfo, metadata_at, operation, &call);
	for (int i = 0; i < call.row_count; i++)
	{
		Currency currency = call_currency(&call, &call.rows[i]);

		transfer_results_put(fcinfo, &call.rows[i], &currency);
	}
	SPI_finish();
}
