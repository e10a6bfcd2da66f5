/*
 * wake.c
 *		Wakes this database's worker when a transaction commits, or when somebody waits.
 *
 * How a worker is woken is the server's part: it sets wake_hook where there is shared memory.
 */
#include "base/wake.h"

#include "access/xact.h"

void (*wake_hook)(WakeReason reason) = NULL;

static bool wake_pending = false;

/* A prepared transaction wakes nobody: the worker's poll finds its requests. */
static void
transaction_ended(XactEvent event, void *argument)
{
	bool wakes = event == XACT_EVENT_COMMIT && wake_pending;

	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		wake_pending = false;
	if (wakes)
		wake_hook(WAKE_QUEUED);
}

void
wake_at_commit(void)
{
	static bool registered = false;

	if (wake_hook == NULL)
		return;
	if (!registered)
		RegisterXactCallback(transaction_ended, NULL);
	registered = true;
	wake_pending = true;
}
