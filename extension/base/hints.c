/*
 * hints.c
 *		Where the rows of wallets and holds were last seen, in memory that all sessions share.
 *
 * With a hint, a payment reads its wallet's row without a search in the index.  A hint may be
 * wrong. So the reader of a hint checks that the row at that place is visible and has the id.  The
 * check is enough, because no two versions of a row are visible to one snapshot.
 *
 * Each wallet has one place for its hint, and so has each hold.  Wallets whose ids are WALLET_COUNT
 * apart, and wallets of other databases, may share the place: the last one that was kept stays.
 * When the library is not in shared_preload_libraries, there is no shared memory, and there are no
 * hints.
 *
 * Locking: none.  A hint is never undone when a transaction rolls back.
 */
#include "base/hints.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"

/* Powers of two; 16 bytes each. */
#define WALLET_COUNT (1024 * 1024)
#define HOLD_COUNT (1024 * 1024)
#define HINT_COUNT (WALLET_COUNT + HOLD_COUNT)

/* When two sessions write one hint at a time, its members may not match: then the hint is wrong. */
typedef struct Hint
{
	pg_atomic_uint64 id;
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
		pg_atomic_init_u64(&hints[i].id, 0);
		pg_atomic_init_u64(&hints[i].row, 0);
	}
}

static Hint *
hint_of(HintOf of, int64 id)
{
	uint64 number = murmurhash32(MyDatabaseId) + (uint64) id;

	return of == HINT_WALLET ? &hints[number % WALLET_COUNT]
	                         : &hints[WALLET_COUNT + number % HOLD_COUNT];
}

bool
hint_find(HintOf of, int64 id, ItemPointer tid)
{
	Hint *hint;
	uint64 row;

	if (hints == NULL || of == HINT_NONE)
		return false;
	hint = hint_of(of, id);
	row = pg_atomic_read_u64(&hint->row);
	ItemPointerSet(tid, (BlockNumber) (row >> 16), (OffsetNumber) row);
	return row != 0 && pg_atomic_read_u64(&hint->id) == (uint64) id;
}

void
hint_keep(HintOf of, int64 id, const ItemPointerData *tid)
{
	Hint *hint;

	Assert(ItemPointerIsValid(tid));
	if (hints == NULL || of == HINT_NONE)
		return;
	hint = hint_of(of, id);
	pg_atomic_write_u64(&hint->id, (uint64) id);
	pg_atomic_write_u64(&hint->row, (uint64) ItemPointerGetBlockNumber(tid) << 16 |
	                                    ItemPointerGetOffsetNumber(tid));
}
