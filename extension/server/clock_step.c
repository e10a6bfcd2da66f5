/*
 * clock_step.c
 *		When the wall clock has been set: a warning in the log, once for all processes.
 *
 * Locking: one LWLock, held while the two clocks are read and compared with what the process that
 * looked last has seen.
 */
#include "server/clock_step.h"

#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/clock.h"

/* A clock that changes by more than this, as measured by the other one, has been set. */
#define STEP_US USECS_PER_SEC

/* Two clocks are read in less than a microsecond. */
#define CLOCK_LOOK_US_MAX 10000

typedef struct ClockLook
{
	LWLock *lock;
	int64 ahead_us; /* the wall clock, of the monotonic one; 0: nobody has looked yet */
} ClockLook;

static ClockLook *last_look = NULL;

Size
clock_size(void)
{
	return sizeof(ClockLook);
}

void
clock_start(void)
{
	bool found;

	last_look = ShmemInitStruct("pg_wallet clock", clock_size(), &found);
	if (!found)
		*last_look = (ClockLook){.lock = &GetNamedLWLockTranche("pg_wallet clock")->lock};
}

/*
 * By how many microseconds the wall clock has run ahead of the monotonic one (negative: back) since
 * any process asked last.
 */
static int64
clock_step(void)
{
	int64 before_us;
	int64 ahead_us;
	int64 step_us = 0;

	LWLockAcquire(last_look->lock, LW_EXCLUSIVE);
	before_us = monotonic_us();
	ahead_us = GetCurrentTimestamp() - before_us;
	/* Whoever is stopped between the two clocks has learnt nothing. */
	if (monotonic_us() - before_us <= CLOCK_LOOK_US_MAX)
	{
		step_us = last_look->ahead_us == 0 ? 0 : ahead_us - last_look->ahead_us;
		last_look->ahead_us = ahead_us;
	}
	LWLockRelease(last_look->lock);
	return step_us;
}

void
clock_look(void)
{
	int64 step_us = clock_step();

	if (step_us >= STEP_US)
		ereport(WARNING,
		        (errmsg("the server's clock has gone forward by %.3f s", step_us / 1e6),
		         errdetail("Old requests and idempotency keys expire by this clock.  Each call "
		                   "of an expiry counts on by a tenth of the retention."),
		         errhint("If the clock is wrong, set it right before they expire.")));
	if (step_us <= -STEP_US)
		ereport(WARNING,
		        (errmsg("the server's clock has gone back by %.3f s", -step_us / 1e6),
		         errdetail("Wallets that were written later than that keep the moment of it as "
		                   "updated_at and posted_at until the clock has passed it.")));
}
