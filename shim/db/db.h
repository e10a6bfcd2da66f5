/*
 * db.h
 *		What the shim asks of the database, and how it is asked.
 *
 * Each event loop owns two Dbs, one for what is stored and one for what is
 * read, so that no read stands before a POST: two connections in pipeline mode,
 * used by that loop's thread alone.  A request is put down with db_submit;
 * whatever has been put down for the same function goes out together in one
 * statement with the next db_dispatch, while at most one such batch is under
 * way.  So the busier the shim is, the larger its batches are, and an idle one
 * adds no wait.  Pages of a history are statements of their own, one at a time,
 * and other reads take their turns between them.
 *
 * Each item has a bounded time.  The server ends a statement that waits for a
 * lock or takes too long (the settings of the session, extension/base/session.h).
 * A statement that is not answered although its own turn has come costs the
 * connection after STATEMENT_DEADLINE_MS.  An item that has not been sent
 * after DB_ITEM_TIME_MS ends with CODE_DATABASE_BUSY.
 *
 * A Db never has two server processes.  A connection that is given up is
 * cancelled, and another one is made only when the server has closed it, which
 * its process does with its end.  Until then items are refused at once
 * (docs/operations.md, "Connections of the shim").
 *
 * A connection for what is stored can be used after a first commit of its own.
 * While commits wait for a synchronous standby it therefore stays as it is, and
 * items are refused at once, until the standby is back.
 *
 * A connection that finds itself with a standby is made anew, again and again, until it is with a
 * primary: one that stores by itself, one that reads when another one has found the primary.
 *
 * In the first second of the process, and of a connection that is made anew, items wait for the
 * connection.
 *
 * Nothing is ever sent again after a lost connection, since nobody knows
 * whether it was committed: such items end with CODE_DATABASE_UNAVAILABLE, and
 * the client decides, with its Idempotency-Key.  A batch that fails as a whole
 * while the connection lives was rolled back as a whole: its items are sent
 * once more in two halves, and so on, so that a bad one fails nobody else.  How
 * many statements may fail in a second for that is bounded.
 *
 * An item of DB_BULK is a statement by itself: all that it brings is committed
 * together, and with nothing else.
 */
#ifndef WALLET_SHIM_DB_H
#define WALLET_SHIM_DB_H

#include "db/item.h"

/*
 * Makes a Db that signals wake_fd (an eventfd) when an attempt to connect has
 * ended.  Connects from the first db_tick on.  NULL: no memory.
 */
Db *db_create(const DbConfig *config, DbRole role, int wake_fd);

/*
 * Closes the connection for good; every item ends with CODE_DATABASE_UNAVAILABLE.  What is under
 * way is cancelled.
 */
void db_close(Db *db);

/* Whether the server process of a closed Db may still be there: call again soon. */
bool db_is_closing(Db *db, int64_t now_ms);

/*
 * Frees a closed Db.  False when an attempt to connect or to cancel still runs
 * in its thread: the process should then leave with _exit.
 */
bool db_destroy(Db *db);

/* Whether an item may be put down now: it would be sent, or waits for the connection. */
bool db_available(const Db *db);

/* Whether an item put down now would be sent. */
bool db_is_up(const Db *db);

/* Why an item may not be put down, while not db_available. */
WalletCode db_refusal(const Db *db);

/* Whether the database takes what is stored, as far as is known. */
bool db_is_primary(const Db *db);

/* Whether the database is a standby, as far as is known, and an item put down now would be sent. */
bool db_is_standby(const Db *db);

/*
 * Another connection has found the primary: if this one is connected to a standby, it is made anew
 * as soon as nothing is under way.
 */
void db_leave_standby(Db *db);

/* Puts an item down for the next db_dispatch.  Only while db_available. */
void db_submit(Db *db, DbItem *item, int64_t now_ms);

/*
 * Takes back an item that has not ended: its done is not called any more.  A statement that has
 * been sent is carried out all the same.  Not to be called from within a done.
 */
void db_withdraw(Db *db, DbItem *item);

/* The connection's descriptor, -1 when there is none, and the events to poll for. */
int db_fd(const Db *db);
short db_events(const Db *db);

/* Whether a statement is under way that should be answered soon: it has not taken long yet. */
bool db_answers_soon(const Db *db, int64_t now_ms);

/* Reads and writes what the connection is ready for; calls done of finished items. */
void db_handle_event(Db *db, int64_t now_ms);

/*
 * Does what is due: connects, gives up a connection whose statement hangs, ends items that have
 * waited for too long.
 */
void db_tick(Db *db, int64_t now_ms);

/* Sends the items that were put down, unless their function's statement is still under way. */
void db_dispatch(Db *db, int64_t now_ms);

/* Milliseconds until db_tick is due. */
int64_t db_timeout_ms(const Db *db, int64_t now_ms);

/* The value of a column, or NULL for SQL's null; row counts from the item's first. */
const char *db_value(const DbResult *result, int row, int column);

#endif /* WALLET_SHIM_DB_H */
