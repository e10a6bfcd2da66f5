/*
 * requests.h
 *		The table of requests.
 */
#ifndef PG_WALLET_REQUESTS_H
#define PG_WALLET_REQUESTS_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "rules/operation.h"
#include "tables/gap.h"

/* Those given are in the order of their ids. */
extern void requests_insert(const Request *requests, int count, TimestampTz enqueued_at);

/*
 * Read at most count_max requests in the order of their ids, with the active snapshot, and return
 * how many: those with ids above this one; those in the gaps.  When there are fewer than count_max
 * above, and the last of the ids there belong to many rows that are not visible, *seen is the id of
 * the very last one; else it stays as it is.
 */
extern int requests_read_after(int64 request_id, int count_max, Request *requests, int64 *seen);
extern int requests_read_gaps(const Gap *gaps, int gap_count, int count_max, Request *requests);

/* Take out those that have an outcome already, and return how many are left. */
extern int requests_drop_settled(Request *requests, int count);

#endif /* PG_WALLET_REQUESTS_H */
