/*
 * hints.c
 *		Where the rows of wallets were last seen, in memory that all sessions share.
 *
 * A hint spares the way down the index.  It may be wrong: whoever follows it looks whether the row
 * there is visible and the wallet's own, which is enough, since no two versions of a row are
 * visible at once.  Therefore nothing is locked here, and none of it has to be undone.
 *
 * Each wallet has one place for its hint, which others may take: those whose ids are HINT_COUNT
 * apart, and those of other databases.  Without the memory (the library is not in
 * shared_preload_libraries) there are no hints.
 */
#include "base/hints.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#define HINT_COUNT (1024 * 1024) /* a power of two; 16 bytes each */

/* The two need not belong together when several write at a time: then it is a wrong hint. */
typedef struct Hint
{
	pg_atomic_uint64 wallet_id;
	pg_atomic_uint64 row; /* its block and its offset there; 0 for none */
} Hint;

static Hint *hints = NULL;

Size
hints_size(void)
{
	return sizeof(Hint) * HINT_COUNT;
}

void
hints_start(void)
{
	bool found;

	hints = ShmemInitStruct("pg_wallet hints", hints_size(), &found);
	for (int i = 0; !found && i < HINT_COUNT; i++)
	{
		pg_atomic_init_u64(&hints[i].wallet_id, 0);
		pg_atomic_init_u64(&hints[i].row, 0);
	}
}

static Hint *
hint_of(int64 wallet_id)
{
	return &hints[(murmurhash32(MyDatabaseId) + (uint64) wallet_id) % HINT_COUNT];
}

bool
hint_find(int64 wallet_id, ItemPointer tid)
{
	Hint *hint;
	uint64 row;

	if (hints == NULL)
		return false;
	hint = hint_of(wallet_id);
	row = pg_atomic_read_u64(&hint->row);
	ItemPointerSet(tid, (BlockNumber) (row >> 16), (OffsetNumber) row);
	return row != 0 && pg_atomic_read_u64(&hint->wallet_id) == (uint64) wallet_id;
}

void
hint_keep(int64 wallet_id, const ItemPointerData *tid)
{
	Hint *hint;

	if (hints == NULL)
		return;
	hint = hint_of(wallet_id);
	pg_atomic_write_u64(&hint->wallet_id, (uint64) wallet_id);
	pg_atomic_write_u64(&hint->row, (uint64) ItemPointerGetBlockNumber(tid) << 16 |
	                                    ItemPointerGetOffsetNumber(tid));
}
