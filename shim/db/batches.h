/*
 * batches.h
 *		From items to statements, and from rows back to items.
 */
#ifndef WALLET_SHIM_BATCHES_H
#define WALLET_SHIM_BATCHES_H

#include "db/state.h"

#define DB_ITEM_TIME_MS 5000 /* how long an item may wait to be sent */

/* Sends the items that wait, as far as batches may be under way. */
void batches_send(Db *db, int64_t now_ms);

/* Reads and writes what a usable connection is ready for; calls done of finished items. */
void batches_receive(Db *db, int64_t now_ms);

#endif /* WALLET_SHIM_BATCHES_H */
