/*
 * clock_step.h
 *		When the wall clock has been set.
 */
#ifndef PG_WALLET_CLOCK_STEP_H
#define PG_WALLET_CLOCK_STEP_H

#include "base/version.h"

#include "storage/lwlock.h"

/* Shared memory: see server/start.c. */
extern Size clock_size(void);
extern void clock_start(void *memory, LWLock *lock, bool is_new);

/* Logs a warning when the wall clock was set since any process called this last. */
extern void clock_look(void);

#endif /* PG_WALLET_CLOCK_STEP_H */
