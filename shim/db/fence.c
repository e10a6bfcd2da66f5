/*
 * fence.c
 *		Which primary is the last one that was promoted.
 *
 * The two variables change when a primary is met for the first time, and are read in each round of
 * each loop.  A reader that comes in between two changes sees another cluster, and fences nobody.
 */
#include "db/fence.h"

#include <stdatomic.h>

static _Atomic uint64_t system_met;
static _Atomic uint32_t timeline_met;

void
fence_raise(const Fence *fence)
{
	if (fence->timeline == 0)
		return;
	if (atomic_load(&system_met) != fence->system)
	{
		atomic_store(&timeline_met, 0);
		atomic_store(&system_met, fence->system);
	}
	for (uint32_t met = atomic_load(&timeline_met); met < fence->timeline;)
		if (atomic_compare_exchange_weak(&timeline_met, &met, fence->timeline))
			break;
}

bool
fence_is_behind(const Fence *fence)
{
	return fence->timeline != 0 && fence->timeline < atomic_load(&timeline_met) &&
	       fence->system == atomic_load(&system_met);
}
