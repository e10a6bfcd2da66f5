/*
 * clock.h
 *		Intervals, and when the wall clock has been set.
 */
#ifndef PG_WALLET_CLOCK_H
#define PG_WALLET_CLOCK_H

#include "base/version.h"

/* Since some moment before the server's start, the same for all processes.  No interval is measured
 * with the wall clock, which may be set while the server runs. */
extern int64 monotonic_ms(void);
extern int64 monotonic_us(void);

/* Warn once in the log when the wall clock has been set since somebody looked last. */
extern void clock_look(void);

#endif /* PG_WALLET_CLOCK_H */
