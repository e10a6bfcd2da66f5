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

/* The transfers are in the order of their ids.  metadata: one jsonb for all of them, or NULL. */
extern void journal_insert(const Transfer *transfers, int count, const Datum *metadata);

#endif /* PG_WALLET_JOURNAL_H */
