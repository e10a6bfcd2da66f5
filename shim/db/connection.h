/*
 * connection.h
 *		The life of the connection: connect, prepare, confirm, lose, try again.
 */
#ifndef WALLET_SHIM_CONNECTION_H
#define WALLET_SHIM_CONNECTION_H

#include "db/state.h"

/* DB_DOWN: starts the thread that connects. */
void connection_start(Db *db, int64_t now_ms);

/* DB_CONNECTING, and the thread has finished: takes over its connection, and sends the setup. */
void connection_finish(Db *db, int64_t now_ms);

/*
 * A batch of the setup has been answered: sends the next one, or enters DB_UP, or drops the
 * connection.
 */
void connection_go_on(Db *db, const DbBatch *batch, int64_t now_ms);

/* Keeps the message of a notice or result with which the server ends the connection. */
void connection_keep_last_words(Db *db, const PGresult *result);

/*
 * Makes a connection on which nothing is under way anew, because another server may be meant by
 * now.  Items wait for it as they wait for the first one.
 */
void connection_renew(Db *db, int64_t now_ms);

/*
 * Gives the connection up: every item under way ends with code and that code's message, and those
 * that wait end with CODE_DATABASE_UNAVAILABLE, unless they may wait for the first connection.
 * The reason goes to the log.  The next attempt to connect is made when the server process has
 * ended.
 */
void connection_drop(Db *db, WalletCode code, const char *reason, int64_t now_ms);

#endif /* WALLET_SHIM_CONNECTION_H */
