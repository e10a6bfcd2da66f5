/*
 * hints.c
 *		Where the rows of wallets were last seen, in memory that all sessions share.
 *
 * With a hint, a payment reads its wallet's row without a search in the index.  A hint may be
 * wrong. So the reader of a hint checks that the row at that place is visible and has the wallet's
 * id.  The check is enough, because no two versions of a row are visible to one snapshot.
 *
 * Each wallet has one place for its hint.  Wallets whose ids are HINT_COUNT apart, and wallets of
 * other databases, may share the place: the last one that was kept stays.  When the library is not
 * in shared_preload_libraries, there is no shared memory, and there are no hints.
 *
 * Locking: none.  A hint is never undone when a transaction rolls back.
 */
#include "base/hints.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"

#define HINT_COUNT (1024 * 1024) /* a power of two; 16 bytes each */

/* When two sessions write one hint at a time, its members may not match: then the hint is wrong. */
typedef struct Hint
{
	pg_atomic_uint64 wallet_id;
	pg_atomic_uint64 row; /* block number << 16 | offset in the block; 0: no hint */
} Hint;

static Hint *hints = NULL;

Size
hints_size(void)
{
	return sizeof(Hint) * HINT_COUNT;
}

void
hints_start(void *memory, LWLock *lock, bool is_new)
{
	hints = memory;
	for (int i = 0; is_new && i < HINT_COUNT; i++)
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

	Assert(ItemPointerIsValid(tid));
	if (hints == NULL)
		return;
	hint = hint_of(wallet_id);
	pg_atomic_write_u64(&hint->wallet_id, (uint64) wallet_id);
	pg_atomic_write_u64(&hint->row, (uint64) ItemPointerGetBlockNumber(tid) << 16 |
	                                    ItemPointerGetOffsetNumber(tid));
}
