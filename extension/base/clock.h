/*
 * clock.h
 *		The clock that intervals are measured with.
 */
#ifndef PG_WALLET_CLOCK_H
#define PG_WALLET_CLOCK_H

#include "base/version.h"

/*
 * The time since a fixed moment before the server's start, the same for all processes.  Every
 * interval is measured with this clock, because the wall clock may be set while the server runs.
 */
extern int64 monotonic_ms(void);
extern int64 monotonic_us(void);

#endif /* PG_WALLET_CLOCK_H */
