/*
 * replica.h
 *		What a loop knows of its replica: whether an answer of the replica is new enough.
 *
 * The primary is asked for its position, and the time before the question is kept: a sample.  A
 * replica that has replayed up to a sample's position shows everything that was committed at the
 * sample's time.  So an answer is as old as the newest sample that the replica has reached.  This
 * holds whether the primary is busy or idle, whether the replica is paused or cut off, and needs
 * no clock but this process's own.
 */
#ifndef WALLET_SHIM_REPLICA_H
#define WALLET_SHIM_REPLICA_H

#include "base/position.h"

#define REPLICA_SAMPLES 64 /* an even number */

typedef struct Sample
{
	Position position;
	int64_t at_ms; /* before the primary was asked */
} Sample;

typedef struct Replica
{
	Sample samples[REPLICA_SAMPLES]; /* the oldest first */
	int count;
	int64_t behind_ms;      /* so old was what the replica showed when it was too old: */
	int64_t rests_until_ms; /* until then nobody asks it who allows less */
} Replica;

/* Keeps what the primary has answered to a question that was asked at this time. */
void replica_sample(Replica *replica, const Position *position, int64_t at_ms);

/* How old the newest sample is; INT64_MAX: there is none. */
int64_t replica_sample_age_ms(const Replica *replica, int64_t now_ms);

/* How old what a replica shows is at the most, that has replayed so far; INT64_MAX: unknown. */
int64_t replica_lag_ms(const Replica *replica, const Position *replayed, int64_t now_ms);

#endif /* WALLET_SHIM_REPLICA_H */
