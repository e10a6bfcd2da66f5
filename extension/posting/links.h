/*
 * links.h
 *		What operations refer to: holds and transfers to be reversed; and the due holds of wallets.
 *		For ledger.c alone.
 */
#ifndef PG_WALLET_LINKS_H
#define PG_WALLET_LINKS_H

#include "base/version.h"

#include "posting/room.h"

/* Does an operation or a loaded wallet depend on what wallet.hold and wallet.reversed say? */
extern bool links_matter(const Ledger *ledger);

/* Fills holds and originals of the set.  The wallets have been read and locked. */
extern void links_load(Ledger *ledger);

/*
 * Reads the due holds of the operation's wallets that have not been read.  Returns how many.  The
 * holds of the set move to another place.
 */
extern int links_load_lacking(Ledger *ledger, const Operation *operation);

/*
 * Stores the holds and the sums that have changed.  The wallets have been stored: so they are
 * locked, and nobody else changes the holds.
 */
extern void links_store(const WorkingSet *set);

#endif /* PG_WALLET_LINKS_H */
