/*
 * wallets.c
 *		The table of wallets.
 *
 * On the hot paths the rows are read and written without a statement (rows.c), which is several
 * times as fast; where a table is not as we made it, statements do the same.  Columns are cast
 *there to the types that we read, since their own may have been altered.
 *
 * Locking: a wallet's row lock protects its balance and its chain.  Everybody takes these locks
 * in the order of wallet_id.  Usually wallets_lock takes them.  What nobody else holds may be
 * only read there, by a batch (LOCK_LATER) or a direct payment (LOCK_WHAT_IS_HELD).  Then
 * wallets_update is what locks: it finds out, row by row, whether somebody has been there in
 * between, and says so.  A batch rolls back what it has written, a payment puts back what its first
 * wallet had, and either begins again with locks.
 * Transfer ids are drawn in between.  That they rise along each wallet's chain holds all the same:
 * whoever posted before had committed before the wallet was read, and whoever posts after waits for
 * the update.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/claims.h"
#include "base/hints.h"
#include "base/relations.h"
#include "base/statement.h"
#include "rules/post.h"
#include "tables/currencies.h"
#include "tables/enums.h"
#include "tables/rows.h"

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

/* Sets our advisory locks apart from those of SQL, whose classes are 1 and 2. */
#define TURN_LOCK_CLASS 3

/* What is kept in Wallet.row. */
typedef struct RowPlace
{
	ItemPointerData tid;
	uint16 locked; /* by us */
} RowPlace;

static EnumValues status_values;

#define SELECT_WALLETS                                                                             \
	"SELECT w.wallet_id::bigint, w.user_id::bigint, w.balance::bigint, "                           \
	"w.last_transfer_id::bigint, w.created_at::timestamptz, w.updated_at::timestamptz, "           \
	"w.status::text, w.currency::text, c.minor_digits::bigint, c.outside_wallet_id::bigint "       \
	"FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency "

static Statement lock_wallets_waiting = {
    SELECT_WALLETS "WHERE w.wallet_id = ANY ($1) ORDER BY w.wallet_id FOR NO KEY UPDATE OF w",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement lock_wallets_skipping = {
    SELECT_WALLETS
    "WHERE w.wallet_id = ANY ($1) ORDER BY w.wallet_id FOR NO KEY UPDATE OF w SKIP LOCKED",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement select_wallet = {SELECT_WALLETS "WHERE w.wallet_id = $1", 1, {INT8OID}, NULL};

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

static Statement insert_wallets = {
    "INSERT INTO wallet.wallet (wallet_id, user_id, balance, last_transfer_id, created_at, "
    "updated_at, status, currency) "
    "SELECT n.wallet_id, n.user_id, n.balance, n.last_transfer_id, n.created_at, n.updated_at, "
    "'active', n.currency "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7) AS n (wallet_id, user_id, balance, last_transfer_id, "
    "created_at, updated_at, currency) ON CONFLICT (user_id) DO NOTHING",
    7,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID,
     TIMESTAMPTZARRAYOID, TEXTARRAYOID},
    NULL,
};

static Statement update_wallets = {
    "UPDATE wallet.wallet AS w SET balance = n.balance, last_transfer_id = n.last_transfer_id, "
    "updated_at = n.updated_at "
    "FROM unnest($1, $2, $3, $4) AS n (wallet_id, balance, last_transfer_id, updated_at) "
    "WHERE w.wallet_id = n.wallet_id",
    4,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID},
    NULL,
};

static Statement update_status = {
    "UPDATE wallet.wallet SET status = $2::wallet.status, updated_at = $3 WHERE wallet_id = $1",
    3,
    {INT8OID, TEXTOID, TIMESTAMPTZOID},
    NULL,
};

static Wallet
result_wallet(uint64 row)
{
	Wallet wallet = {
	    .wallet_id = result_int64(row, 1),
	    .user_id = result_int64(row, 2),
	    .balance = result_int64(row, 3),
	    .last_transfer_id = result_int64(row, 4),
	    .created_at = result_int64(row, 5),
	    .updated_at = result_int64(row, 6),
	    .currency = currency_from_result(row, 8),
	};

	if (!status_from_name(result_text(row, 7), &wallet.status))
		elog(ERROR, "wallet " INT64_FORMAT " has an unknown status", wallet.wallet_id);
	return wallet;
}

static int
lock_by_statement(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets)
{
	Datum ids = int64_array(wallet_ids, count);

	statement_run(lock_waits(mode) ? &lock_wallets_waiting : &lock_wallets_skipping, &ids, NULL,
	              false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		wallets[row] = result_wallet(row);
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) SPI_processed;
}

static void
update_by_statement(const Wallet *wallets, int count)
{
	statement_run(&update_wallets,
	              (Datum[]){
	                  INT64_MEMBER(wallets, count, Wallet, wallet_id),
	                  INT64_MEMBER(wallets, count, Wallet, balance),
	                  INT64_MEMBER(wallets, count, Wallet, last_transfer_id),
	                  TIME_MEMBER(wallets, count, Wallet, updated_at),
	              },
	              NULL, false);
	result_expect(count, "wallet.wallet");
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
	if (strcmp(name, last->code) != 0 && !currency_find_visible(name, last))
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

int
wallets_lock(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets)
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
		return lock_by_statement(wallet_ids, count, mode, wallets);
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
wallets_update(Wallet *wallets, int count)
{
	RowWriter writer;
	const char *code = NULL;
	Datum currency = (Datum) 0;
	int updated = 0;

	/* Rows are locked by their updates, in the order in which everybody locks them. */
	Assert(count > 0 && MEMBER_RISES(wallets, count, Wallet, wallet_id));
	if (wallets[0].row == 0 || !writer_open(&writer, &wallet_layout, CMD_UPDATE))
	{
		update_by_statement(wallets, count);
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

void
wallets_update_status(const Wallet *wallet)
{
	statement_run(&update_status,
	              (Datum[]){
	                  Int64GetDatum(wallet->wallet_id),
	                  CStringGetTextDatum(status_names[wallet->status]),
	                  TimestampTzGetDatum(wallet->updated_at),
	              },
	              NULL, false);
	result_expect(1, "wallet.wallet");
}

/* Run a statement of one array of ids that returns ids. */
static int
find_ids(Statement *statement, const int64 *ids, int count, int64 *found)
{
	Datum argument = int64_array(ids, count);

	statement_run(statement, &argument, NULL, false);
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
	Datum id = Int64GetDatum(wallet_id);
	bool found;

	statement_run(&select_wallet, &id, NULL, false);
	found = SPI_processed > 0;
	if (found)
		*wallet = result_wallet(0);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * A wallet that was not inserted is one whose user has got another wallet meanwhile; or else a
 * trigger or a rule of the user's has swallowed the wallet.
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
	const char **currencies = palloc(sizeof(char *) * count);
	int inserted;

	for (int i = 0; i < count; i++)
		currencies[i] = wallets[i].currency.code;
	statement_run(&insert_wallets,
	              (Datum[]){
	                  INT64_MEMBER(wallets, count, Wallet, wallet_id),
	                  INT64_MEMBER(wallets, count, Wallet, user_id),
	                  INT64_MEMBER(wallets, count, Wallet, balance),
	                  INT64_MEMBER(wallets, count, Wallet, last_transfer_id),
	                  TIME_MEMBER(wallets, count, Wallet, created_at),
	                  TIME_MEMBER(wallets, count, Wallet, updated_at),
	                  text_array(currencies, count),
	              },
	              NULL, false);
	inserted = (int) SPI_processed;
	if (inserted < count)
		expect_users_with_wallets(wallets, count);
	return inserted;
}
