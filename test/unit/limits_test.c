/*
 * limits_test.c
 *		How many requests of each API key a shim takes, as TAP.
 */
#include <stdlib.h>

#include "api/limits.h"

#include "check.h"

#define KEYS 8192

static unsigned char hashes[KEYS][KEY_HASH_SIZE];

/* How many of the first so many keys may ask in this moment. */
static int
count_taken(int keys, int requests_per_second, int64_t now_ms)
{
	int taken = 0;

	for (int i = 0; i < keys; i++)
		taken += limits_take(hashes[i], requests_per_second, now_ms) ? 1 : 0;
	return taken;
}

int
main(void)
{
	int64_t now = 1000000;

	srandom(1);
	for (int i = 0; i < KEYS; i++)
	{
		for (int k = 0; k < KEY_HASH_SIZE; k++)
			hashes[i][k] = (unsigned char) random();
	}
	ok(count_taken(KEYS, 1, now) == KEYS, "each key may ask once");
	ok(count_taken(KEYS, 1, now) == 0, "and not twice, however many there are");
	ok(count_taken(KEYS, 1, now + 999) == 0, "nor within a second");
	ok(count_taken(KEYS, 1, now + 1000) == KEYS, "but after it");
	now += 10000;
	ok(count_taken(1, 2, now) + count_taken(1, 2, now) == 2, "as many at once as in a second");
	ok(count_taken(1, 2, now + 499) == 0 && count_taken(1, 2, now + 500) == 1,
	   "they come back evenly");
	return all_checked();
}
