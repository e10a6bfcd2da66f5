/*
 * clock.h
 *		The ledger's clock, and the clock that intervals are measured with.
 */
#ifndef PG_WALLET_CLOCK_H
#define PG_WALLET_CLOCK_H

#include "base/version.h"

#include "datatype/timestamp.h"

/*
 * The ledger's clock.  Whatever decides about money goes by this clock: the moment of each batch
 * and each direct call, the ends of holds and the deadlines of requests.
 */
extern TimestampTz ledger_now(void);

/*
 * The time since a fixed moment before the server's start, the same for all processes.  Every
 * interval is measured with this clock, because the wall clock may be set while the server runs.
 */
extern int64 monotonic_ms(void);
extern int64 monotonic_us(void);

#endif /* PG_WALLET_CLOCK_H */
