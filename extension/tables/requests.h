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

/* How much may still be read: requests, and the rows of the journal that they may make. */
typedef struct ReadRoom
{
	int requests;
	int rows;
} ReadRoom;

static inline bool
read_room_is_left(const ReadRoom *room)
{
	return room->requests > 0 && room->rows > 0;
}

/*
 * Read requests in the order of their ids, with the active snapshot, as long as room is left, and
 * return how many.  Each request takes off one request, and the rows that it may make.
 * requests_read_after() reads the requests with ids above this id.  When room is left, and the last
 * ids belong to many rows that are not visible, *seen becomes the id of the very last row; else
 * *seen does not change.  requests_read_gaps() reads the requests in the gaps, which are in the
 * order of their ids.
 */
extern int requests_read_after(int64 request_id, ReadRoom *room, Request *requests, int64 *seen);
extern int requests_read_gaps(const Gap *gaps, int gap_count, ReadRoom *room, Request *requests);

/*
 * Removes the requests that have an outcome already, and returns how many are left.  The requests
 * are in the order of their ids.
 */
extern int requests_drop_settled(Request *requests, int count);

#endif /* PG_WALLET_REQUESTS_H */
