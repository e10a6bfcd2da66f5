/*
 * reading.h
 *		Collects the requests of a round.
 */
#ifndef PG_WALLET_READING_H
#define PG_WALLET_READING_H

#include "base/version.h"

#include "queue/state.h"

/* Collect the requests of a round, at most requests_max. */
extern void begin_reading(Queue *queue, int requests_max);
extern void end_reading(Queue *queue);

/* What the round does not try, from this place on, waits again. */
extern void put_back(Queue *queue, int from);

#endif /* PG_WALLET_READING_H */
