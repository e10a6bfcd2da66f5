/*
 * wallets.c
 *		The table of wallets.
 *
 * Locking: see docs/posting.md, "Lock modes" and "Turns".  The row lock of a wallet protects the
 * balance of the wallet and the chain of its transfers.  wallets_lock() reads wallets and locks
 * them, or leaves some unlocked, as the mode says; wallets_update() locks these, and stops at a
 * wallet that another transaction has locked or changed since it was read.  Both go through the
 * wallets in the order of their ids.
 */
#include "tables/wallets.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/claims.h"
#include "base/hints.h"
#include "base/relations.h"
#include "rules/operation.h"
#include "tables/currencies.h"
#include "tables/map.h"
#include "tables/rows.h"

/* The last column says which changes of a wallet update a column: an or of WalletChange. */
#define WALLET_COLUMNS(X)                                                                          \
	X(wallet_id, BIGINT, w->wallet_id, false, 0)                                                   \
	X(user_id, BIGINT, w->user_id, false, 0)                                                       \
	X(created_at, TIME, w->created_at, false, 0)                                                   \
	X(floor, BIGINT, w->floor, false, CHANGE_LIMITS)                                               \
	X(ceiling, BIGINT, w->ceiling, false, CHANGE_LIMITS)                                           \
	X(held, BIGINT, w->held, false, CHANGE_MONEY)                                                  \
	X(balance, BIGINT, w->balance, false, CHANGE_MONEY)                                            \
	X(last_transfer_id, BIGINT, w->last_transfer_id, false, CHANGE_MONEY)                          \
	X(updated_at, TIME, w->updated_at, false, CHANGE_MONEY | CHANGE_STATUS | CHANGE_LIMITS)        \
	X(status, STATUS, w->status, false, CHANGE_STATUS)                                             \
	X(currency, TEXT, w->currency.code, false, 0)

static const RowColumn wallet_columns[] = {WALLET_COLUMNS(MAP_COLUMN)};

struct WalletPlaces
{
	WALLET_COLUMNS(MAP_PLACE)
};

static void
wallet_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Wallet *w = from;

	WALLET_COLUMNS(MAP_PUT)
}

static void
wallet_from_row(const Datum *values, const bool *nulls, void *to)
{
	Wallet *w = to;

	*w = (Wallet){0};
	WALLET_COLUMNS(MAP_GET)
}

/* A user who has got a wallet in the meantime gets no second one. */
static Statement insert_wallets;

static const RowLayout wallet_layout = {
    .table = "wallet",
    MAP_COLUMNS(wallet_columns),
    .status_column = offsetof(struct WalletPlaces, status) + 1,
    .hint = HINT_WALLET,
    .struct_size = sizeof(Wallet),
    .to_row = wallet_to_row,
    .from_row = wallet_from_row,
    .insert = &insert_wallets,
    .on_conflict = " ON CONFLICT (user_id) DO NOTHING",
};

/* Sets our advisory locks apart from those of SQL, whose classes are 1 and 2. */
#define TURN_LOCK_CLASS 3

/* Who waits for more wallets than these takes no advisory locks: the lock table has little room. */
#define TURNS_MAX 128

/*
 * With LOCK_SOME so many wallets are locked in any case, in turn.  Where two calls have many
 * wallets in common, one of these is among them as a rule: then the second call waits before it
 * does any work, and no third one overtakes it.
 */
#define FIRST_FEW 16
StaticAssertDecl(FIRST_FEW <= TURNS_MAX, "each of the first few wallets has a turn");

/* How often a call with LOCK_SOME reads the wallets again before it locks all of them. */
#define READINGS_MAX 4

/* What is kept in Wallet.row. */
typedef struct RowPlace
{
	ItemPointerData tid;
	uint16 locked; /* by us */
} RowPlace;

#define THESE_WALLETS "wallet.wallet AS t WHERE t.wallet_id = ANY ($1) ORDER BY t.wallet_id "

static MapSelect lock_waiting = {THESE_WALLETS "FOR NO KEY UPDATE", {NULL, 1, {INT8ARRAYOID}}};
static MapSelect lock_skipping = {THESE_WALLETS "FOR NO KEY UPDATE SKIP LOCKED",
                                  {NULL, 1, {INT8ARRAYOID}}};
static MapSelect find_these = {THESE_WALLETS, {NULL, 1, {INT8ARRAYOID}}};
static MapSelect find_wallet_row = {"wallet.wallet AS t WHERE t.wallet_id = $1",
                                    {NULL, 1, {INT8OID}}};

/* By what has changed: a trigger of the user's may fire on an update of one column alone. */
static Statement updates[(CHANGE_MONEY | CHANGE_STATUS | CHANGE_LIMITS) + 1];

static Statement find_wallet_ids = {
    "SELECT w.wallet_id::bigint FROM wallet.wallet AS w WHERE w.wallet_id = ANY ($1)",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement find_user_ids = {
    "SELECT w.user_id::bigint FROM wallet.wallet AS w WHERE w.user_id = ANY ($1)",
    1,
    {INT8ARRAYOID},
    NULL,
};

/* What belongs to the wallet's currency, which most wallets share with the one before. */
static void
set_currency(Wallet *wallet, Currency *last)
{
	Assert(ActiveSnapshotSet());
	if (strcmp(wallet->currency.code, last->code) != 0 &&
	    !currency_find_visible(wallet->currency.code, last))
		elog(ERROR, "wallet " INT64_FORMAT " has an unknown currency", wallet->wallet_id);
	wallet->currency = *last;
}

static int
select_by_statement(MapSelect *select, Datum argument, Wallet *wallets, int room)
{
	int count = map_select(&wallet_layout, select, &argument, false, wallets, room);
	Currency currency = {0};

	push_new_snapshot();
	for (int i = 0; i < count; i++)
		set_currency(&wallets[i], &currency);
	PopActiveSnapshot();
	return count;
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
	wallet_from_row(slot->tts_values, slot->tts_isnull, wallet);
	set_currency(wallet, last);
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

	Assert(ItemPointerIsValid(&tid) && ActiveSnapshotSet());
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

/* From so many wallets on, the share of them on a page is much the same everywhere. */
#define WALLETS_MANY 1000

/*
 * Makes the reader clean each page that has no room for the new versions of these wallets, whose
 * ids rise.  Wallets lie in the order of their ids, and half of a page is free for new versions.
 * Which versions are dead is worked out anew: a session does that once for each transaction id,
 * and may have done so while another one still had an older snapshot, be it for a moment.
 */
static void
expect_updates(RowReader *reader, const int64 *ids, int count)
{
	if (count < WALLETS_MANY)
		return;
	reader->room += BLCKSZ / 2 * ((double) count / (ids[count - 1] - ids[0] + 1));
	(void) GetOldestNonRemovableTransactionId(reader->heap);
}

static bool
find_wallet(RowReader *reader, int64 wallet_id)
{
	return map_seek(&wallet_layout, reader, wallet_id);
}

static LOCKTAG
turn_tag(int64 wallet_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (wallet_id >> 32), (uint32) wallet_id,
	                     TURN_LOCK_CLASS);
	return tag;
}

/*
 * Waits in the line of a wallet that another transaction holds; see docs/posting.md, "Turns".  The
 * lock is kept until the transaction ends.  The transaction id is drawn before the wait, since all
 * others wait for this transaction when its turn has come.
 */
static void
wait_for_turn(int64 wallet_id)
{
	LOCKTAG tag = turn_tag(wallet_id);

	(void) GetCurrentTransactionId();
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Does a direct call stand in the line of the wallet? */
static bool
is_awaited(int64 wallet_id)
{
	LOCKTAG tag = turn_tag(wallet_id);

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ExclusiveLock, false);
	return false;
}

/* Reads and locks wallets in a mode that does not wait.  Returns how many. */
static int
take_wallets(RowReader *reader, const int64 *ids, int count, LockMode mode, Wallet *wallets)
{
	Currency currency = {0};
	int taken = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if ((mode == LOCK_SKIP_AWAITED && is_awaited(ids[i])) || !find_wallet(reader, ids[i]))
			continue;
		if (mode == LOCK_LATER && reader->holder == HOLDER_NOBODY)
			wallet_from_slot(reader->slot, false, &wallets[taken++], &currency);
		else if (lock_row(reader, reader->slot->tts_tid, LockWaitSkip))
			wallet_from_slot(reader->slot, true, &wallets[taken++], &currency);
	}
	return taken;
}

/* How many of the first wallets are to be locked: all up to the last one that is held. */
static int
count_to_lock(const RowHolder *holders, int count, LockMode mode)
{
	while (mode == LOCK_WHAT_IS_HELD && count > 0 && holders[count - 1] == HOLDER_NOBODY)
		count--;
	return count;
}

/*
 * Reads and locks wallets in a mode that waits.  Returns how many.  All wallets are searched
 * before the first is locked, since other transactions may wait for a wallet once it is locked.
 */
static int
wait_for_wallets(RowReader *reader, const int64 *ids, int count, LockMode mode, Wallet *wallets)
{
	RowHolder few[PLAIN_KEYS_MAX]; /* enough for a direct call */
	RowHolder *holders = count <= lengthof(few) ? few : palloc(sizeof(RowHolder) * count);
	Currency currency = {0};
	int found = 0;
	int taken = 0;
	int to_lock;

	for (int i = 0; i < count; i++)
	{
		if (!find_wallet(reader, ids[i]))
			continue;
		holders[found] = reader->holder;
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

			if ((holders[i] == HOLDER_OTHERS || mode == LOCK_IN_TURN) && count <= TURNS_MAX &&
			    !IsolationUsesXactSnapshot())
				wait_for_turn(wallets[i].wallet_id);
			if (lock_row(reader, place.tid, LockWaitBlock))
				wallet_from_slot(reader->slot, true, &wallets[taken++], &currency);
		}
	}
	if (holders != few)
		pfree(holders);
	return taken;
}

/*
 * Reads wallets without a lock.  Returns how many of the ids are to be locked before all can be
 * read: those up to the first wallet that another transaction holds; 0 where none is held, and -1
 * where a table can only be read by statements, which do not notice a change.
 */
static int
read_what_is_free(const int64 *ids, int count, Wallet *wallets, int *found)
{
	RowReader reader;
	Currency currency = {0};
	int to_lock = 0;

	*found = 0;
	push_new_snapshot();
	if (!reader_open(&reader, &wallet_layout, RowExclusiveLock))
	{
		PopActiveSnapshot();
		return -1;
	}
	if (!reader_may_update(&reader, &wallet_layout))
		to_lock = -1;
	expect_updates(&reader, ids, count);
	for (int i = 0; i < count && to_lock == 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_wallet(&reader, ids[i]))
			continue;
		if (reader.holder == HOLDER_OTHERS)
			to_lock = i + 1;
		else
			wallet_from_slot(reader.slot, false, &wallets[(*found)++], &currency);
	}
	reader_close(&reader);
	PopActiveSnapshot();
	return to_lock;
}

/*
 * LOCK_SOME: locks the first few, and all up to the last one that is found to be held.  After each
 * wait the others are read again: whoever was waited for may have changed them.  Only the first
 * call of a transaction takes turns, so that a transaction of many calls does not fill the lock
 * table.
 */
static int
lock_some(int64 *ids, int count, Wallet *wallets)
{
	LockMode mode = claims_have_noted_lock() ? LOCK_WAIT : LOCK_IN_TURN;
	int done = Min(count, FIRST_FEW);
	int taken;

	(void) sort_ids(ids, count);
	taken = wallets_lock(ids, done, mode, wallets);
	for (int reading = 0; done < count && reading < READINGS_MAX; reading++)
	{
		int found;
		int to_lock = read_what_is_free(ids + done, count - done, wallets + taken, &found);

		if (to_lock == 0)
			return taken + found;
		if (to_lock < 0)
			break;
		taken += wallets_lock(ids + done, to_lock, LOCK_WAIT, wallets + taken);
		done += to_lock;
	}
	if (done < count)
		taken += wallets_lock(ids + done, count - done, LOCK_WAIT, wallets + taken);
	return taken;
}

int
wallets_lock(int64 *ids, int count, LockMode mode, Wallet *wallets)
{
	RowReader reader;
	int found;

	Assert(count > 0);
	if (mode == LOCK_NONE)
		return select_by_statement(&find_these, int64_array(ids, count), wallets, count);
	if (mode == LOCK_SOME)
		return lock_some(ids, count, wallets);
	if (lock_waits(mode))
		claims_obey(ids, count);
	claims_note_lock();
	push_new_snapshot();
	if (!reader_open(&reader, &wallet_layout, RowExclusiveLock))
	{
		PopActiveSnapshot();
		return select_by_statement(lock_waits(mode) ? &lock_waiting : &lock_skipping,
		                           int64_array(ids, count), wallets, count);
	}
	/* A statement would not notice that a row which was not locked has changed. */
	if (!reader_may_update(&reader, &wallet_layout) && mode != LOCK_SKIP_AWAITED)
		mode = lock_waits(mode) ? LOCK_WAIT : LOCK_SKIP_LOCKED;
	map_load_status(&wallet_layout, reader.slot->tts_tupleDescriptor);
	(void) sort_ids(ids, count);
	expect_updates(&reader, ids, count);
	found = lock_waits(mode) ? wait_for_wallets(&reader, ids, count, mode, wallets)
	                         : take_wallets(&reader, ids, count, mode, wallets);
	reader_close(&reader);
	PopActiveSnapshot();
	Assert(found <= count && MEMBER_RISES(wallets, found, Wallet, wallet_id));
	return found;
}

static void
update_by_statement(const Wallet *wallets, int count)
{
	Wallet *changed = palloc(sizeof(Wallet) * count);
	int changed_count = 0;
	int changes = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (wallets[i].changes == 0)
			continue;
		changes |= wallets[i].changes;
		changed[changed_count++] = wallets[i];
	}
	map_update_by_statement(&wallet_layout, &updates[changes], changes, changed, changed_count);
	pfree(changed);
}

int
wallets_update(Wallet *wallets, int count)
{
	RowWriter writer;
	RowOut out = {0};
	int updated = 0;

	/* Rows are locked by their updates, in the order in which everybody locks them. */
	Assert(MEMBER_RISES(wallets, count, Wallet, wallet_id));
	while (updated < count && wallets[updated].changes == 0)
		updated++;
	if (updated == count)
		return count;
	if (wallets[updated].row == 0 || !writer_open(&writer, &wallet_layout, CMD_UPDATE))
	{
		update_by_statement(wallets, count);
		return count;
	}
	for (; updated < count; updated++)
	{
		Wallet *wallet = &wallets[updated];
		RowPlace place = row_place(wallet);
		TupleTableSlot *slot;

		CHECK_FOR_INTERRUPTS();
		if (wallet->changes == 0)
			continue;
		slot = writer_next(&writer);
		wallet_to_row(wallet, &out, slot->tts_values, slot->tts_isnull);
		if (!writer_update(&writer, &place.tid, place.locked))
			break;
		set_row_place(wallet, slot->tts_tid, true);
		hint_keep(HINT_WALLET, wallet->wallet_id, &slot->tts_tid);
	}
	writer_close(&writer);
	return updated;
}

bool
wallets_are_current(const Wallet *wallets, int count)
{
	RowReader reader;
	bool are_current = true;
	int first = 0;

	/* What a statement has read has no place. */
	while (first < count && wallets[first].row == 0)
		first++;
	if (first == count)
		return true;
	push_new_snapshot();
	if (!reader_open(&reader, &wallet_layout, AccessShareLock))
		elog(ERROR, "table wallet.wallet has been altered while it was locked");
	for (int i = first; i < count && are_current; i++)
	{
		RowPlace place = row_place(&wallets[i]);

		CHECK_FOR_INTERRUPTS();
		if (wallets[i].row != 0 && wallets[i].changes == 0 && !place.locked)
			are_current = reader_fetch(&reader, &place.tid);
	}
	reader_close(&reader);
	PopActiveSnapshot();
	return are_current;
}

/* Runs a statement of one array of ids that returns some of these ids, and returns how many. */
static int
find_ids(Statement *statement, const int64 *ids, int count, int64 *found)
{
	Datum argument = int64_array(ids, count);

	statement_run(statement, &argument, NULL, false);
	if (SPI_processed > (uint64) count)
		elog(ERROR, "an id leads to more than one row of table wallet.wallet");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		found[row] = result_int64(row, 1);
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) SPI_processed;
}

int
wallets_existing(const int64 *wallet_ids, int count, int64 *found)
{
	return find_ids(&find_wallet_ids, wallet_ids, count, found);
}

int
wallets_of_users(const int64 *user_ids, int count, int64 *found)
{
	return find_ids(&find_user_ids, user_ids, count, found);
}

bool
wallets_user_is_busy(int64 user_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
	return index_entry_is_busy("wallet", (const char *[]){"user_id"}, &key, 1);
}

bool
wallets_find(int64 wallet_id, Wallet *wallet)
{
	return select_by_statement(&find_wallet_row, Int64GetDatum(wallet_id), wallet, 1) > 0;
}

/*
 * Raises an error unless all of these users have wallets now.  Some wallets were not inserted:
 * their users have got other wallets meanwhile, or a trigger or a rule has swallowed the wallets.
 */
static void
expect_users_with_wallets(const Wallet *wallets, int count)
{
	int64 *users = palloc(sizeof(int64) * count);

	for (int i = 0; i < count; i++)
		users[i] = wallets[i].user_id;
	(void) wallets_of_users(users, count, users);
	result_expect(count, "wallet.wallet");
	pfree(users);
}

int
wallets_insert(const Wallet *wallets, int count)
{
	int inserted = map_insert_by_statement(&wallet_layout, wallets, count, NULL);

	if (inserted < count)
		expect_users_with_wallets(wallets, count);
	return inserted;
}
