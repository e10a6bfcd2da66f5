/*
 * thread.h
 *		Which thread a thing belongs to.
 *
 * An event loop's databases and HTTP side are made by the main thread and used by the loop's
 * thread alone.  Nothing in them is locked, so a call from another thread is a fault of ours.
 */
#ifndef WALLET_SHIM_THREAD_H
#define WALLET_SHIM_THREAD_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

typedef struct Owner
{
	pthread_t thread;
	bool is_known; /* false until the first owner_take */
} Owner;

/* Whether the calling thread may use what belongs to the owner. */
static inline bool
owner_is_here(const Owner *owner)
{
	return !owner->is_known || pthread_equal(owner->thread, pthread_self());
}

/* The calling thread is the owner, now and for ever. */
static inline void
owner_take(Owner *owner)
{
	assert(owner_is_here(owner));
	owner->thread = pthread_self();
	owner->is_known = true;
}

#endif /* WALLET_SHIM_THREAD_H */
