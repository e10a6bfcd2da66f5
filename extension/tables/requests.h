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

/* The requests are in the order of their ids. */
extern void requests_insert(const Request *requests, int count, TimestampTz enqueued_at);

/*
 * Read requests in the order of their ids, with the active snapshot, and return how many.  *room
 * says how many rows of the journal they may make together.  Each request takes off what it may
 * make, and 1 at least, and nothing more is read when *room has come to 0 or below.
 * requests_read_after() reads the requests with ids above this id.  When room is left, and the last
 * ids belong to many rows that are not visible, *seen becomes the id of the very last row; else
 * *seen does not change.  requests_read_gaps() reads the requests in the gaps, which are in the
 * order of their ids.
 */
extern int requests_read_after(int64 request_id, int *room, Request *requests, int64 *seen);
extern int requests_read_gaps(const Gap *gaps, int gap_count, int *room, Request *requests);

/*
 * Removes the requests that have an outcome already, and returns how many are left.  The requests
 * are in the order of their ids.
 */
extern int requests_drop_settled(Request *requests, int count);

#endif /* PG_WALLET_REQUESTS_H */
