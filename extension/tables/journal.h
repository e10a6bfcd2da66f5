/*
 * journal.h
 *		The table of transfers.
 */
#ifndef PG_WALLET_JOURNAL_H
#define PG_WALLET_JOURNAL_H

#include "base/version.h"

#include "rules/operation.h"

/* Gets a transfer and its currency by id.  Raises an error where there is no such transfer. */
extern void journal_get(int64 transfer_id, Transfer *transfer, Currency *currency);

/*
 * Reads the transfers with these ids, which rise, by the active snapshot.  Fills transfers, which
 * has room for count, in the order of their ids, and returns how many there are.
 */
extern int journal_find(const int64 *transfer_ids, int count, Transfer *transfers);

/*
 * Reads the rows of a group, room of them at most, in the order of their ids, by the active
 * snapshot.  Returns how many there are: 0 where the id is not that of a group's first row.
 */
extern int journal_find_group(int64 group_id, Transfer *transfers, int room);

/* The transfers are in the order of their ids.  metadata: one jsonb for all of them, or NULL. */
extern void journal_insert(const Transfer *transfers, int count, const Datum *metadata);

#endif /* PG_WALLET_JOURNAL_H */
