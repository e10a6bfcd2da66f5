/*
 * clock.c
 *		Two clocks: one for intervals, and one for what is stored and what people read.
 *
 * The wall clock (GetCurrentTimestamp) may be set, back or forward, while the server runs.  So each
 * interval (a pause, a heartbeat's age, how often something is done) is measured with the monotonic
 * clock, which nobody sets, and which is the same for all processes of a machine.
 */
#include "pg_wallet.h"

#include <time.h>

int64
monotonic_us(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

int64
monotonic_ms(void)
{
	return monotonic_us() / 1000;
}
