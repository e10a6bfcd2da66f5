/*
 * opening.h
 *		Whether the queue was ever opened; see the table wallet.queue_position.
 *
 * Until it is open, no request is posted and no hold expires.  A database that has a request or a
 * hold has an opened queue, so that a dump of it says so, and nothing happens in half a restored
 * database.
 */
#ifndef PG_WALLET_OPENING_H
#define PG_WALLET_OPENING_H

#include "base/version.h"

/*
 * Whether anybody has opened the queue, by the active snapshot.  Sets *stays to whether the
 * transaction that opened the queue has committed.
 */
extern bool opening_exists(bool *stays);

/* Opens the queue if nobody has, and then wakes the worker at commit. */
extern void opening_make_once(void);

#endif /* PG_WALLET_OPENING_H */
