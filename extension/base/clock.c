/*
 * clock.c
 *		Two clocks: one for intervals, and one for what is stored and what people read.
 *
 * The wall clock (GetCurrentTimestamp) may be set, back or forward, while the server runs.  So
 * each interval, such as a pause or the age of a heartbeat, is measured with the monotonic clock.
 * Nobody can set the monotonic clock, and all processes of a machine read the same time from it.
 */
#include "base/clock.h"

#include <time.h>

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(wallet_monotonic_clock);

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

/* wallet.monotonic_clock() → interval: what the monotonic clock says. */
Datum
wallet_monotonic_clock(PG_FUNCTION_ARGS)
{
	Interval *moment = palloc0(sizeof(Interval));

	moment->time = monotonic_us();
	PG_RETURN_INTERVAL_P(moment);
}
