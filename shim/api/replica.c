/*
 * replica.c
 *		What a loop knows of its replica: whether an answer of the replica is new enough.
 */
#include "api/replica.h"

#include <assert.h>
#include <stddef.h>

#define SAMPLE_PAUSE_MS 10

/* Makes room: of each two samples the older one goes, so that the kept ones reach far back. */
static void
thin_out(Replica *replica)
{
	for (int i = 0; i < REPLICA_SAMPLES / 2; i++)
		replica->samples[i] = replica->samples[2 * i + 1];
	replica->count = REPLICA_SAMPLES / 2;
}

/*
 * Samples within a pause are one, with the time of the first and the position of the last one: a
 * replica that has come so far has what was committed at that time, and more.
 */
void
replica_sample(Replica *replica, const Position *position, int64_t at_ms)
{
	Sample *newest = replica->count > 0 ? &replica->samples[replica->count - 1] : NULL;

	if (newest != NULL && at_ms < newest->at_ms)
		return; /* another connection has answered a later question before */
	if (newest != NULL && at_ms < newest->at_ms + SAMPLE_PAUSE_MS)
	{
		newest->position = *position;
		return;
	}
	if (replica->count == REPLICA_SAMPLES)
		thin_out(replica);
	assert(replica->count < REPLICA_SAMPLES);
	replica->samples[replica->count++] = (Sample){*position, at_ms};
}

int64_t
replica_sample_age_ms(const Replica *replica, int64_t now_ms)
{
	return replica->count > 0 ? now_ms - replica->samples[replica->count - 1].at_ms : INT64_MAX;
}

int64_t
replica_lag_ms(const Replica *replica, const Position *replayed, int64_t now_ms)
{
	for (int i = replica->count - 1; i >= 0; i--)
		if (position_covers(replayed, &replica->samples[i].position))
			return now_ms - replica->samples[i].at_ms;
	return INT64_MAX;
}
