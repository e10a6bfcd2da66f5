/*
 * limits.c
 *		A bucket for each API key that has a limit.
 *
 * A bucket is one moment: when all requests that were taken are back (the generic cell rate
 * algorithm of ATM Forum TM 4.0).  Each request moves the moment on by the time that one request
 * takes to come back.  A request is refused that would move the moment further than a second from
 * now.
 *
 * A place is taken from another key only when a set has no free one, and then from the key that has
 * its requests back first.  The sets are large: as long as the keys that have used requests
 * in the last second are no more than half of the places, no set is full.  (Then a set has 32 such
 * keys on average, with a standard deviation of 5.6.)
 *
 * Locking: one mutex protects all buckets, for less than a microsecond.  Keys without a limit do
 * not come here.
 */
#include "api/limits.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define SETS 256
#define WAYS 64

typedef struct Bucket
{
	unsigned char hash[KEY_HASH_SIZE];
	int64_t full_at_us; /* 0: the place is free */
} Bucket;

static Bucket buckets[SETS][WAYS]; /* a set for each first byte of a hash */
_Static_assert(SETS == UCHAR_MAX + 1, "each first byte of a hash has a set");

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The bucket of a key: a new one is in the place of the one that is full first. */
static Bucket *
find_bucket(const unsigned char *hash)
{
	Bucket *set = buckets[hash[0]];
	Bucket *place = &set[0];

	for (int i = 0; i < WAYS; i++)
	{
		if (memcmp(set[i].hash, hash, KEY_HASH_SIZE) == 0)
			return &set[i];
		if (set[i].full_at_us < place->full_at_us)
			place = &set[i];
	}
	memcpy(place->hash, hash, KEY_HASH_SIZE);
	place->full_at_us = 0;
	return place;
}

bool
limits_take(const unsigned char hash[KEY_HASH_SIZE], int requests_per_second, int64_t now_ms)
{
	int64_t cost_us = SECOND_US / requests_per_second;
	int64_t now_us = now_ms * 1000;
	Bucket *bucket;
	bool taken;

	assert(requests_per_second > 0 && requests_per_second <= SECOND_US);
	pthread_mutex_lock(&mutex);
	bucket = find_bucket(hash);
	if (bucket->full_at_us < now_us)
		bucket->full_at_us = now_us;
	taken = bucket->full_at_us + cost_us <= now_us + SECOND_US;
	if (taken)
		bucket->full_at_us += cost_us;
	pthread_mutex_unlock(&mutex);
	return taken;
}
