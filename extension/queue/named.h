/*
 * named.h
 *		Holds that requests name by the handshake of the request that makes the hold.
 */
#ifndef PG_WALLET_NAMED_H
#define PG_WALLET_NAMED_H

#include "base/version.h"

#include "queue/gaps.h"
#include "rules/operation.h"

/*
 * Opens the handshakes of requests that have just been read: link_id becomes the id of the request
 * that may make the hold, until the hold is found, or -1 where the handshake names no earlier
 * request.
 */
extern void named_open(Request *requests, int count);

/*
 * Looks for the holds of those requests that name one which has not been found yet.  Once the named
 * request is settled, link_id becomes the hold's id, and -1 where that request was refused, makes
 * no hold, or never came; then resolve_links() may be called.  What is not settled stays
 * unresolved.  Without gaps (NULL) a request that is not there never comes.  Inside SPI_connect.
 */
extern void named_find(Request *requests, int count, const Gaps *gaps);

/* Is there such a request? */
static inline bool
named_are_unresolved(const Request *requests, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (requests[i].is_unresolved)
			return true;
	}
	return false;
}

#endif /* PG_WALLET_NAMED_H */
