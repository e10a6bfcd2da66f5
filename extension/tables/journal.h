/*
 * journal.h
 *		The table of transfers.
 */
#ifndef PG_WALLET_JOURNAL_H
#define PG_WALLET_JOURNAL_H

#include "base/version.h"

#include "rules/post.h"

/* A transfer and its currency by id; the caller knows that it exists. */
extern void store_get_transfer(int64 transfer_id, Transfer *transfer, Currency *currency);

/* metadata: one jsonb for all of them, or NULL. */
extern void store_insert_transfers(const Transfer *transfers, int count, const Datum *metadata);

#endif /* PG_WALLET_JOURNAL_H */
