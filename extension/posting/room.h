/*
 * room.h
 *		What a ledger consists of, and its memory.  For ledger.c and links.c; others see ledger.h.
 */
#ifndef PG_WALLET_ROOM_H
#define PG_WALLET_ROOM_H

#include "base/version.h"

#include "rules/effects.h"
#include "tables/wallets.h"

typedef struct Ledger
{
	WorkingSet set;
	Effects effects;
	const Operation *operations;
	int count;
	struct LedgerRoom *room; /* the caller's memory, or NULL */
	int64 *ids;              /* room for an id of all that is touched */

	/* How many operations and legs of these sorts there are. */
	int holds_to_make;
	int holds_named;
	int originals_named;

	int rows_max;   /* of all operations, without those of due holds */
	int marked_max; /* the same of those that are undone together: of a group, or after a mark */
	int due_max;    /* so many due holds are read at the most; 0: no limit */
	int due_count;  /* so many have been read */
	bool is_lazy;   /* of a wallet with many due holds, most are read when they matter */
	LockMode mode;
} Ledger;

/*
 * One row changes two wallets and a hold, and the hold's source once more (a capture).  With a row
 * a wallet may get another status.
 */
#define BEFORES_OF_ROW 5

/*
 * The memory of a ledger for one operation that is no group, on the stack of a direct call.  Where
 * that is not enough, the ledger takes memory of the current context.
 */
typedef struct LedgerRoom
{
	Touched touched[4]; /* touched_room(PLAIN_KEYS_MAX) */
	int64 ids[PLAIN_KEYS_MAX];
	Wallet wallets[PLAIN_KEYS_MAX];
	Before befores[2 * BEFORES_OF_ROW];
	Transfer transfers[1];
} LedgerRoom;

/* Memory of the current context for so many elements, which may be more than palloc gives. */
extern void *ledger_memory(Size size, Size count, int flags);

#endif /* PG_WALLET_ROOM_H */
