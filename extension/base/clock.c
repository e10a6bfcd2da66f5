/*
 * clock.c
 *		Three clocks: for intervals, for the ledger, and for what people read.
 *
 * The wall clock (GetCurrentTimestamp) may be set, back or forward, while the server runs.  So
 * each interval, such as a pause or the age of a heartbeat, is measured with the monotonic clock.
 * Nobody can set the monotonic clock, and all processes of a machine read the same time from it.
 *
 * The ledger's clock is the wall clock shifted by pg_wallet.clock_offset, with which a test or a
 * drill stands at the very moment of an expiry.  docs/operations.md, "The clock", says what goes by
 * which clock.
 */
#include "base/clock.h"

#include <time.h>

#include "utils/timestamp.h"

#include "base/settings.h"

PG_FUNCTION_INFO_V1(wallet_clock);
PG_FUNCTION_INFO_V1(wallet_monotonic_clock);

TimestampTz
ledger_now(void)
{
	return GetCurrentTimestamp() + setting_clock_offset_us;
}

/* wallet.clock() → timestamptz: what the ledger's clock says. */
Datum
wallet_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ledger_now());
}

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
