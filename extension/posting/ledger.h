/*
 * ledger.h
 *		Carries out operations on the tables: the same steps for a batch and for a direct call.
 *
 *	resolve_links	finds the wallets of holds and transfers that are referred to (resolve.h)
 *	ledger_open		finds what the operations touch
 *	ledger_load		reads that, locks the wallets and sets the moment of all that follows
 *	ledger_judge	for each operation in order, by the rules
 *	ledger_settle	gives the transfers their ids
 *	ledger_update	stores the wallets that have changed
 *	ledger_insert	stores what is new, and the holds that have changed
 */
#ifndef PG_WALLET_LEDGER_H
#define PG_WALLET_LEDGER_H

#include "base/version.h"

#include "posting/room.h"
#include "rules/rules.h"
#include "tables/wallets.h"

/*
 * Finds what the operations touch.  The wallets of holds and transfers that they refer to are
 * known: resolve.h.  The memory is the current context's.  The operations stay where they are
 * while the ledger is used.
 */
extern void ledger_open(Ledger *ledger, const Operation *operations, int count);

/* The same for one operation, with memory of the caller's, and room for a mark. */
extern void ledger_open_one(Ledger *ledger, LedgerRoom *room, const Operation *operation);

/*
 * Reads what is touched, and locks wallets as the mode says.  With a mode that does not wait, what
 * another transaction holds is busy then.  Then sets the moment, and reads what the operations
 * refer to and the holds of these wallets that are due at that moment.
 */
extern void ledger_load(Ledger *ledger, LockMode mode);

/*
 * Judges an operation, as rules_judge() does.  Where the holds of a wallet that are due and have
 * not been read yet might make a difference, reads them and judges again.
 */
extern WalletCode ledger_judge(Ledger *ledger, const Operation *operation);

/* See effects_settle().  Waits where somebody alters the sequence of the ids. */
extern void ledger_settle(Ledger *ledger);

/*
 * Stores the wallets that have changed.  False when another transaction has changed one that was
 * not locked.  Then those stored before that one are put back as they were at the mark, and what
 * was done since the mark is undone.  Without a mark (NULL) the caller rolls back.
 */
extern bool ledger_update(Ledger *ledger, const EffectsMark *mark);

/*
 * ledger_copy_wallets() copies the wallets as ledger_load() has read them.  With this copy
 * ledger_update_or_restore() does what ledger_update() does with a mark, but for what is in
 * memory: the caller opens another ledger.
 */
extern Wallet *ledger_copy_wallets(const Ledger *ledger);
extern bool ledger_update_or_restore(Ledger *ledger, Wallet *loaded);

/*
 * Have the wallets that were read without a lock stayed as they were, so that what was judged by
 * their holds is true?  Only what was refused or read needs this look: what changes a wallet is
 * found out by ledger_update().
 */
extern bool ledger_is_current(const Ledger *ledger);

/*
 * Stores new wallets, transfers, outcomes, and holds and originals that have changed.  metadata:
 * one jsonb for all transfers, or NULL. False when another transaction has made a wallet for the
 * same user: the caller rolls back.
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
