/*
 * ledger.h
 *		Carries out operations on the tables: the same steps for a batch and for a direct call.
 *
 *	ledger_open		finds what the operations touch
 *	ledger_load		reads that and locks the wallets
 *	rules_judge		for each operation in order (rules.h)
 *	ledger_settle	gives all of them one moment, and the transfers their ids
 *	ledger_update	stores the wallets that have changed
 *	ledger_insert	stores what is new: wallets, transfers, outcomes
 */
#ifndef PG_WALLET_LEDGER_H
#define PG_WALLET_LEDGER_H

#include "base/version.h"

#include "rules/rules.h"
#include "tables/wallets.h"

typedef struct Ledger
{
	WorkingSet set;
	Effects effects;
	int64 *ids; /* room for an id of all that is touched */
} Ledger;

/* The memory of a ledger for one plain operation, on the stack of a direct call. */
typedef struct LedgerRoom
{
	Touched touched[4]; /* touched_room(PLAIN_KEYS_MAX) */
	int64 ids[PLAIN_KEYS_MAX];
	Wallet wallets[PLAIN_KEYS_MAX];
	Before befores[2];
	Transfer transfers[1];
} LedgerRoom;

/* Finds what the operations touch.  The memory is the current context's. */
extern void ledger_open(Ledger *ledger, const Operation *operations, int count);

/* The same for one operation, with memory of the caller's, and room for a mark. */
extern void ledger_open_one(Ledger *ledger, LedgerRoom *room, const Operation *operation);

/*
 * Reads what is touched, and locks wallets as the mode says.  With a mode that does not wait, what
 * another transaction holds is busy then.  The moment of the effects is that of this call.
 */
extern void ledger_load(Ledger *ledger, LockMode mode);

/* See effects_settle().  Waits where somebody alters the sequence of the ids. */
extern void ledger_settle(Ledger *ledger);

/*
 * Stores the wallets that have changed.  False when another transaction has changed one that was
 * not locked.  Then those stored before that one are put back as they were at the mark, and what
 * was done since the mark is undone.  Without a mark (NULL) the caller rolls back.
 */
extern bool ledger_update(Ledger *ledger, const EffectsMark *mark);

/*
 * Stores new wallets, transfers and outcomes.  metadata: one jsonb for all transfers, or NULL.
 * False when another transaction has made a wallet for the same user: the caller rolls back.
 */
extern bool ledger_insert(Ledger *ledger, const Datum *metadata);

/*
 * ledger_undo() takes back what the operations since ledger_mark() have done in memory, as if they
 * had not been judged.  ledger_keep() ends the mark and takes nothing back.
 */
static inline EffectsMark
ledger_mark(Ledger *ledger)
{
	return effects_mark(&ledger->set, &ledger->effects);
}

static inline void
ledger_undo(Ledger *ledger, const EffectsMark *mark)
{
	effects_undo(&ledger->set, &ledger->effects, mark);
}

static inline void
ledger_keep(Ledger *ledger)
{
	effects_keep(&ledger->set);
}

#endif /* PG_WALLET_LEDGER_H */
