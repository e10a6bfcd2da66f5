/*
 * store.c
 *		The tables as posting sees them: wallets, transfers and outcomes.
 *
 * With store_sql.c the only place that knows their columns.  On the hot paths the rows are read and
 * written without a statement (rows.c), which is several times as fast; where a table is not as we
 * made it, the statements of store_sql.c do the same.
 *
 * Locking: a wallet's row lock protects its balance and its chain.  Everybody takes these locks
 * in the order of wallet_id.  Usually store_lock_wallets takes them.  What nobody else holds may be
 * only read there, by a batch (LOCK_LATER) or a direct payment (LOCK_WHAT_IS_HELD).  Then
 * store_update_wallets is what locks: it finds out, row by row, whether somebody has been there in
 * between, and says so.  A batch rolls back what it has written, a payment puts back what its first
 * wallet had, and either begins again with locks.
 * Transfer ids are drawn in between.  That they rise along each wallet's chain holds all the same:
 * whoever posted before had committed before the wallet was read, and whoever posts after waits for
 * the update.
 */
#include "tables/store.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/claims.h"
#include "base/hints.h"
#include "base/relations.h"
#include "rules/codes.h"
#include "rules/post.h"
#include "tables/rows.h"
#include "tables/store_sql.h"

/* Columns, from 0. */
enum WalletColumn
{
	WALLET_ID,
	WALLET_USER_ID,
	WALLET_BALANCE,
	WALLET_LAST_TRANSFER_ID,
	WALLET_CREATED_AT,
	WALLET_UPDATED_AT,
	WALLET_STATUS,
	WALLET_CURRENCY,
	WALLET_COLUMNS
};

static const RowColumn wallet_columns[WALLET_COLUMNS] = {
    [WALLET_ID] = {"wallet_id", INT8OID, true},
    [WALLET_USER_ID] = {"user_id", INT8OID, true},
    [WALLET_BALANCE] = {"balance", INT8OID},
    [WALLET_LAST_TRANSFER_ID] = {"last_transfer_id", INT8OID},
    [WALLET_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true},
    [WALLET_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
    [WALLET_STATUS] = {"status", InvalidOid},
    [WALLET_CURRENCY] = {"currency", TEXTOID, true},
};

static const RowLayout wallet_layout = {"wallet", wallet_columns, WALLET_COLUMNS};

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

enum OutcomeColumn
{
	OUTCOME_REQUEST_ID,
	OUTCOME_WALLET_ID,
	OUTCOME_BALANCE,
	OUTCOME_UPDATED_AT,
	OUTCOME_POSTED_AT,
	OUTCOME_STATUS,
	OUTCOME_CODE,
	OUTCOME_COLUMNS
};

static const RowColumn outcome_columns[OUTCOME_COLUMNS] = {
    [OUTCOME_REQUEST_ID] = {"request_id", INT8OID},
    [OUTCOME_WALLET_ID] = {"wallet_id", INT8OID},
    [OUTCOME_BALANCE] = {"balance", INT8OID},
    [OUTCOME_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
    [OUTCOME_POSTED_AT] = {"posted_at", TIMESTAMPTZOID},
    [OUTCOME_STATUS] = {"status", InvalidOid},
    [OUTCOME_CODE] = {"code", TEXTOID},
};

static const RowLayout outcome_layout = {"outcome", outcome_columns, OUTCOME_COLUMNS};

/* Sets our advisory locks apart from those of SQL, whose classes are 1 and 2. */
#define TURN_LOCK_CLASS 3

/* What is kept in Wallet.row. */
typedef struct RowPlace
{
	ItemPointerData tid;
	uint16 locked; /* by us */
} RowPlace;

static EnumValues status_values;

/* The type of a column; 0 is the first. */
static Oid
column_type(const TupleTableSlot *slot, int column)
{
	return TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid;
}

/*
 * The currency that was asked for last, and the table that has it, where it stays as it is: its
 * rows never change.
 */
static Currency known_currency;
static Oid known_in;

static bool
is_own_row(TupleTableSlot *slot)
{
	const HeapTupleHeader row = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row));
}

/* A currency by its code; the snapshot is active. */
static bool
find_currency(const char *code, Currency *currency)
{
	RowReader reader;
	bool found;

	if (strcmp(code, known_currency.code) == 0 && known_in == wallet_relation("currency"))
	{
		*currency = known_currency;
		return true;
	}
	if (!reader_open(&reader, &currency_layout, AccessShareLock))
		return sql_find_currency(code, currency);
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

static int
compare_ids(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* A currency by its code, which most wallets share with the one before. */
static void
set_currency(Wallet *wallet, const text *code, Currency *last)
{
	char name[sizeof(last->code)];

	text_to_cstring_buffer(code, name, sizeof(name));
	if (strcmp(name, last->code) != 0 && !find_currency(name, last))
		elog(ERROR, "wallet " INT64_FORMAT " has an unknown currency", wallet->wallet_id);
	wallet->currency = *last;
}

static RowPlace
row_place(const Wallet *wallet)
{
	RowPlace place;

	memcpy(&place, &wallet->row, sizeof(place));
	return place;
}

static void
set_row_place(Wallet *wallet, ItemPointerData tid, bool locked)
{
	RowPlace place = {tid, locked};

	StaticAssertStmt(sizeof(RowPlace) == sizeof(wallet->row), "a row's place fits exactly");
	memcpy(&wallet->row, &place, sizeof(place));
}

static void
wallet_from_slot(TupleTableSlot *slot, bool locked, Wallet *wallet, Currency *last)
{
	slot_getallattrs(slot);
	*wallet = (Wallet){
	    .wallet_id = slot_int64(slot, WALLET_ID),
	    .user_id = slot_int64(slot, WALLET_USER_ID),
	    .balance = slot_int64(slot, WALLET_BALANCE),
	    .last_transfer_id = slot_int64(slot, WALLET_LAST_TRANSFER_ID),
	    .created_at = slot_int64(slot, WALLET_CREATED_AT),
	    .updated_at = slot_int64(slot, WALLET_UPDATED_AT),
	};
	wallet->status =
	    enum_values_find(&status_values, DatumGetObjectId(slot->tts_values[WALLET_STATUS]));
	set_currency(wallet, DatumGetTextPP(slot->tts_values[WALLET_CURRENCY]), last);
	set_row_place(wallet, slot->tts_tid, locked);
}

/*
 * Lock the newest version of the row at this place, and read it, by the rules of SELECT FOR NO KEY
 * UPDATE.  False when it is gone, or somebody else's.
 */
static bool
lock_row(RowReader *reader, ItemPointerData tid, LockWaitPolicy policy)
{
	uint8 flags = IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	TM_FailureData failure;

	ExecClearTuple(reader->slot);
	switch (table_tuple_lock(reader->heap, &tid, GetActiveSnapshot(), reader->slot,
	                         GetCurrentCommandId(false), LockTupleNoKeyExclusive, policy, flags,
	                         &failure))
	{
		case TM_Ok:
			return true;
		case TM_WouldBlock:
			return false;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				                errmsg("could not serialize access due to concurrent update")));
			return false;
		default:
			elog(ERROR, "could not lock a wallet");
	}
}

/* Read the wallet where it was last seen, or else where its key leads to. */
static bool
find_wallet(RowReader *reader, int64 wallet_id)
{
	ItemPointerData tid;

	if (hint_find(wallet_id, &tid) && reader_fetch(reader, &tid) &&
	    DatumGetInt64(slot_getattr(reader->slot, WALLET_ID + 1, &(bool){false})) == wallet_id)
		return true;
	reader_seek(reader, wallet_id);
	return reader_next(reader);
}

/*
 * Queue up for a wallet that somebody else has locked.  Waiting for the row itself, all who wait
 * would be woken by each one who is done, and run after its newest version; here one is woken, the
 * first.  The lock is kept, as the row's will be, until the transaction ends.
 *
 * What has to be done at some time anyway is done before the turn comes, when all wait for us.
 */
static void
wait_for_turn(int64 wallet_id)
{
	LOCKTAG tag;

	(void) GetCurrentTransactionId();
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (wallet_id >> 32), (uint32) wallet_id,
	                     TURN_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Read the wallets that there are, locked as the mode wants it, without waiting for anybody. */
static int
take_wallets(RowReader *reader, const int64 *ids, int count, LockMode mode, Wallet *wallets)
{
	Currency currency = {0};
	int taken = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_wallet(reader, ids[i]))
			continue;
		if (mode == LOCK_LATER && row_holder(reader->slot) == HOLDER_NOBODY)
			wallet_from_slot(reader->slot, false, &wallets[taken++], &currency);
		else if (lock_row(reader, reader->slot->tts_tid, LockWaitSkip))
			wallet_from_slot(reader->slot, true, &wallets[taken++], &currency);
	}
	return taken;
}

/* So many of the first wallets are to be locked: up to the last one that somebody holds. */
static int
count_to_lock(const RowHolder *holders, int count, LockMode mode)
{
	while (mode == LOCK_WHAT_IS_HELD && count > 0 && holders[count - 1] == HOLDER_NOBODY)
		count--;
	return count;
}

/*
 * The same, but wait for whoever holds one.  All are looked for before the first is locked: others
 * may be waiting for it then.
 */
static int
wait_for_wallets(RowReader *reader, const int64 *ids, int count, LockMode mode, Wallet *wallets)
{
	RowHolder *holders = palloc(sizeof(RowHolder) * count);
	Currency currency = {0};
	int found = 0;
	int taken = 0;
	int to_lock;

	for (int i = 0; i < count; i++)
	{
		if (!find_wallet(reader, ids[i]))
			continue;
		holders[found] = row_holder(reader->slot);
		wallet_from_slot(reader->slot, false, &wallets[found++], &currency);
	}
	to_lock = count_to_lock(holders, found, mode);
	for (int i = 0; i < found; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i >= to_lock)
			wallets[taken++] = wallets[i];
		else
		{
			RowPlace place = row_place(&wallets[i]);

			if (holders[i] == HOLDER_OTHERS && !IsolationUsesXactSnapshot())
				wait_for_turn(wallets[i].wallet_id);
			if (lock_row(reader, place.tid, LockWaitBlock))
				wallet_from_slot(reader->slot, true, &wallets[taken++], &currency);
		}
	}
	pfree(holders);
	return taken;
}

/* What the statements before have written is visible to what follows, as after a statement. */
static void
push_new_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

bool
store_find_currency(const char *code, Currency *currency)
{
	bool found;

	push_new_snapshot();
	found = find_currency(code, currency);
	PopActiveSnapshot();
	return found;
}

int
store_lock_wallets(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets)
{
	RowReader reader;
	int64 *ids;
	int found;

	if (lock_waits(mode))
		claims_obey(wallet_ids, count);
	claims_note_lock();
	push_new_snapshot();
	if (!reader_open(&reader, &wallet_layout, RowExclusiveLock))
	{
		PopActiveSnapshot();
		return sql_lock_wallets(wallet_ids, count, mode, wallets);
	}
	/* A statement would not notice that a row which was not locked has changed. */
	if (!reader_may_update(&reader, &wallet_layout))
		mode = lock_waits(mode) ? LOCK_WAIT : LOCK_SKIP_LOCKED;
	enum_values_load(&status_values, column_type(reader.slot, WALLET_STATUS), status_names);
	ids = palloc(sizeof(int64) * count);
	memcpy(ids, wallet_ids, sizeof(int64) * count);
	qsort(ids, count, sizeof(int64), compare_ids);
	found = lock_waits(mode) ? wait_for_wallets(&reader, ids, count, mode, wallets)
	                         : take_wallets(&reader, ids, count, mode, wallets);
	pfree(ids);
	reader_close(&reader);
	PopActiveSnapshot();
	Assert(found <= count);
	return found;
}

/* All columns of a wallet; those that never change come with the rest. */
static void
wallet_to_slot(const Wallet *wallet, Datum currency, TupleTableSlot *slot)
{
	Datum *values = slot->tts_values;

	values[WALLET_ID] = Int64GetDatum(wallet->wallet_id);
	values[WALLET_USER_ID] = Int64GetDatum(wallet->user_id);
	values[WALLET_BALANCE] = Int64GetDatum(wallet->balance);
	values[WALLET_LAST_TRANSFER_ID] = Int64GetDatum(wallet->last_transfer_id);
	values[WALLET_CREATED_AT] = TimestampTzGetDatum(wallet->created_at);
	values[WALLET_UPDATED_AT] = TimestampTzGetDatum(wallet->updated_at);
	values[WALLET_STATUS] = ObjectIdGetDatum(enum_values_get(&status_values, wallet->status));
	values[WALLET_CURRENCY] = currency;
}

/* The text of a currency's code, made only when it is another one than before. */
static Datum
currency_text(const Wallet *wallet, const char **last_code, Datum *last)
{
	if (*last_code == NULL || strcmp(*last_code, wallet->currency.code) != 0)
		*last = CStringGetTextDatum(wallet->currency.code);
	*last_code = wallet->currency.code;
	return *last;
}

int
store_update_wallets(Wallet *wallets, int count)
{
	RowWriter writer;
	const char *code = NULL;
	Datum currency = (Datum) 0;
	int updated = 0;

	/* Rows are locked by their updates, in the order in which everybody locks them. */
	Assert(count > 0 && MEMBER_RISES(wallets, count, Wallet, wallet_id));
	if (wallets[0].row == 0 || !writer_open(&writer, &wallet_layout, CMD_UPDATE))
	{
		sql_update_wallets(wallets, count);
		return count;
	}
	for (; updated < count; updated++)
	{
		TupleTableSlot *slot = writer_next(&writer);
		Wallet *wallet = &wallets[updated];
		RowPlace place = row_place(wallet);

		CHECK_FOR_INTERRUPTS();
		wallet_to_slot(wallet, currency_text(wallet, &code, &currency), slot);
		if (!writer_update(&writer, &place.tid, place.locked))
			break;
		set_row_place(wallet, slot->tts_tid, true);
		hint_keep(wallet->wallet_id, &slot->tts_tid);
	}
	writer_close(&writer);
	return updated;
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
store_insert_transfers(const Transfer *transfers, int count, const Datum *metadata)
{
	RowWriter writer;

	Assert(count > 0);
	if (!writer_open(&writer, &transfer_layout, CMD_INSERT))
	{
		sql_insert_transfers(transfers, count, metadata);
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

static void
outcome_to_slot(const Outcome *outcome, TimestampTz posted_at, TupleTableSlot *slot)
{
	bool is_read = outcome->updated_at != 0; /* only a queued read keeps what it saw */

	slot_put_int64(slot, OUTCOME_REQUEST_ID, outcome->request_id);
	slot_put_int64(slot, OUTCOME_WALLET_ID, outcome->wallet_id);
	slot_put_int64(slot, OUTCOME_UPDATED_AT, outcome->updated_at);
	slot->tts_values[OUTCOME_BALANCE] = Int64GetDatum(outcome->balance);
	slot->tts_isnull[OUTCOME_BALANCE] = !is_read;
	slot->tts_values[OUTCOME_POSTED_AT] = TimestampTzGetDatum(Max(posted_at, outcome->updated_at));
	slot->tts_values[OUTCOME_STATUS] =
	    ObjectIdGetDatum(enum_values_get(&status_values, outcome->status));
	slot->tts_isnull[OUTCOME_STATUS] = !is_read;
	slot->tts_values[OUTCOME_CODE] = CStringGetTextDatum(wallet_codes[outcome->code].name);
}

void
store_insert_outcomes(const Outcome *outcomes, int count, TimestampTz posted_at)
{
	RowWriter writer;

	Assert(count > 0 && MEMBER_RISES(outcomes, count, Outcome, request_id));
	if (!writer_open_for_keys(&writer, &outcome_layout, outcomes[0].request_id,
	                          outcomes[count - 1].request_id))
	{
		sql_insert_outcomes(outcomes, count, posted_at);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);

		CHECK_FOR_INTERRUPTS();
		if (i == 0)
			enum_values_load(&status_values, column_type(slot, OUTCOME_STATUS), status_names);
		outcome_to_slot(&outcomes[i], posted_at, slot);
	}
	writer_close(&writer);
}
