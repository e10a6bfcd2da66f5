/*
 * reading.h
 *		Collects the requests of a round.
 */
#ifndef PG_WALLET_READING_H
#define PG_WALLET_READING_H

#include "base/version.h"

#include "queue/state.h"

/*
 * begin_reading collects the requests of a round, at most requests_max, in queue->reading, in the
 * order of their ids.  end_reading forgets them.
 */
extern void begin_reading(Queue *queue, int requests_max);
extern void end_reading(Queue *queue);

/* Defers the requests of the reading from this place on, because the round does not try them. */
extern void put_back(Queue *queue, int from);

#endif /* PG_WALLET_READING_H */
