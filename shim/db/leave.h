/*
 * leave.h
 *		The end of a connection: cancel what is under way, wait for the server's end.
 */
#ifndef WALLET_SHIM_LEAVE_H
#define WALLET_SHIM_LEAVE_H

#include "db/state.h"

/*
 * Leaves a connection: DB_LEAVING, or DB_DOWN when its end is known already.  owes says that
 * statements are under way, which are then cancelled.
 */
void leave_start(Db *db, bool owes, int64_t now_ms);

/* While DB_LEAVING: cancels again, closes our side, sees whether the server's end has come. */
void leave_tick(Db *db, int64_t now_ms);

/* Milliseconds until leave_tick is due. */
int64_t leave_timeout_ms(const Db *db, int64_t now_ms);

/*
 * Sets the connection aside and plans another one: false when as many are aside as may be.  Our
 * side is closed; a process that had a statement is cancelled once more when a server is reached.
 */
bool leave_at_once(Db *db, int64_t now_ms);

#endif /* WALLET_SHIM_LEAVE_H */
