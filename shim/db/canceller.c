/*
 * canceller.c
 *		PQcancel in a thread of its own.
 */
#include "db/canceller.h"

#include <assert.h>

#include "base/log.h"

static void *
canceller_main(void *argument)
{
	Canceller *canceller = argument;
	char ignored[256];

	PQcancel(canceller->cancel, ignored, sizeof(ignored));
	PQfreeCancel(canceller->cancel);
	canceller->cancel = NULL;
	atomic_store(&canceller->finished, true);
	if (eventfd_signal(canceller->wake_fd) != 0)
		log_line("cannot wake the event loop after cancelling");
	return NULL;
}

bool
canceller_join(Canceller *canceller)
{
	if (canceller->is_started && atomic_load(&canceller->finished))
	{
		pthread_join(canceller->thread, NULL);
		canceller->is_started = false;
	}
	return !canceller->is_started;
}

void
canceller_start(Canceller *canceller, PGcancel *cancel, int wake_fd)
{
	if (cancel == NULL || !canceller_join(canceller))
	{
		PQfreeCancel(cancel);
		return;
	}
	assert(canceller->cancel == NULL);
	atomic_store(&canceller->finished, false);
	canceller->cancel = cancel;
	canceller->wake_fd = wake_fd;
	canceller->is_started =
	    pthread_create(&canceller->thread, NULL, canceller_main, canceller) == 0;
	if (canceller->is_started)
		return;
	PQfreeCancel(cancel);
	canceller->cancel = NULL;
}
