/*
 * clock_step.c
 *		When the wall clock has been set: a warning in the log, once for all processes.
 *
 * Locking: one LWLock, held while the two clocks are read and compared with what the process that
 * looked last has seen.
 */
#include "server/clock_step.h"

#include "utils/timestamp.h"

#include "base/clock.h"

/* When the two clocks' difference changes by more than this, the wall clock was set. */
#define STEP_US USECS_PER_SEC

/* The two clocks are usually read within a microsecond of each other. */
#define CLOCK_LOOK_US_MAX 10000

typedef struct ClockLook
{
	LWLock *lock;
	int64 ahead_us; /* the wall clock minus the monotonic clock; 0: no process has looked yet */
} ClockLook;

static ClockLook *last_look = NULL;

Size
clock_size(void)
{
	return sizeof(ClockLook);
}

void
clock_start(void *memory, LWLock *lock, bool is_new)
{
	last_look = memory;
	last_look->lock = lock;
}

/*
 * Returns by how many microseconds the wall clock has gained on the monotonic clock (negative: has
 * fallen back) since any process called this last.
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
	/* A process that was stopped between the two readings does not know the difference. */
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
