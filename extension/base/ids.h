/*
 * ids.h
 *		Draws the ids of requests, transfers and wallets, and refuses one that is not new.
 */
#ifndef PG_WALLET_IDS_H
#define PG_WALLET_IDS_H

#include "base/version.h"

typedef enum IdKind
{
	ID_REQUEST,
	ID_TRANSFER,
	ID_WALLET
} IdKind;

#define ID_KINDS (ID_WALLET + 1)

extern Size ids_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void ids_start(void);

/*
 * The next id, larger than every id of this kind that was ever drawn in this database.  Raises
 * object_not_in_prerequisite_state, and nothing is lost but the number, where the sequence does not
 * promise that.  The transaction has its transaction id before it draws.  Inside SPI_connect.
 */
extern int64 id_draw(IdKind kind);

#endif /* PG_WALLET_IDS_H */
