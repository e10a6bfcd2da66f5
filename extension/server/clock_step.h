/*
 * clock_step.h
 *		When the wall clock has been set.
 */
#ifndef PG_WALLET_CLOCK_STEP_H
#define PG_WALLET_CLOCK_STEP_H

#include "base/version.h"

extern Size clock_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void clock_start(void);

/* Logs a warning when the wall clock was set since any process called this last. */
extern void clock_look(void);

#endif /* PG_WALLET_CLOCK_STEP_H */
