/*
 * ids.h
 *		Draws the ids of requests, transfers and wallets, and refuses one that is not new.
 */
#ifndef PG_WALLET_IDS_H
#define PG_WALLET_IDS_H

#include "base/version.h"

#include "storage/lwlock.h"

typedef enum IdKind
{
	ID_REQUEST,
	ID_TRANSFER,
	ID_WALLET
} IdKind;

#define ID_KINDS (ID_WALLET + 1)

/* Shared memory: see server/start.c. */
extern Size ids_size(void);
extern void ids_start(void *memory, LWLock *lock, bool is_new);

/*
 * Draws the next id: it is larger than every id of this kind that was drawn in this database
 * before. Raises object_not_in_prerequisite_state when the sequence does not give such an id; the
 * number that the sequence gave is then unused.  Gives the transaction its transaction id before
 * it draws. The caller has called SPI_connect.
 */
extern int64 id_draw(IdKind kind);

/* Ids that follow each other, and have been drawn together.  {0} is an empty block. */
typedef struct IdBlock
{
	int64 next;
	int left;
} IdBlock;

/*
 * The same with ids drawn in advance: takes the next id out of the block.  Fills an empty block
 * first, with up to count ids.  What is left in a block in the end is never used.
 */
extern int64 id_take(IdKind kind, IdBlock *block, int count);

#endif /* PG_WALLET_IDS_H */
