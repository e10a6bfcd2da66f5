/*
 * journal.h
 *		The table of transfers.
 */
#ifndef PG_WALLET_JOURNAL_H
#define PG_WALLET_JOURNAL_H

#include "base/version.h"

#include "rules/operation.h"

/* A transfer and its currency by id; the caller knows that it exists. */
extern void journal_get(int64 transfer_id, Transfer *transfer, Currency *currency);

/* metadata: one jsonb for all of them, or NULL. */
extern void journal_insert(const Transfer *transfers, int count, const Datum *metadata);

#endif /* PG_WALLET_JOURNAL_H */
