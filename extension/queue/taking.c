/*
 * taking.c
 *		Which deferred requests a round takes.
 *
 * An entry whose valid_until has passed becomes ready wherever it stands in its lines, because it
 * is refused before its wallets are looked at.
 */
#include "queue/taking.h"

#include "miscadmin.h"

#include "queue/lines.h"

/*
 * Makes entries ready whose time has passed.  An entry that a round tries, or that fails, is judged
 * when its turn comes, and then watched again.
 */
static void
wake_expired(Deferred *deferred, TimestampTz clock)
{
	for (;;)
	{
		DeferredEntry *entry = first_deadline(deferred);

		if (entry == NULL || entry->request.valid_until >= clock)
			return;
		unwatch_deadline(deferred, entry);
		if (entry->state == ENTRY_TAKEN || entry->failure != NULL)
			continue;
		set_state(deferred, entry, ENTRY_READY);
		entry->is_expired = true;
	}
}

void
deferred_wake(Deferred *deferred, int64 now_ms, TimestampTz clock)
{
	wake_expired(deferred, clock);
	while (!pairingheap_is_empty(&deferred->locked))
	{
		DeferredEntry *entry = heap_entry(pairingheap_first(&deferred->locked));

		if (entry->retry_at_ms > now_ms)
			break;
		set_state(deferred, entry, ENTRY_READY);
	}
}

/*
 * The round has taken this entry.  A follower whose predecessors are all taken by the same round
 * may be taken as well.  After an entry that has waited for a locked wallet, its followers stay,
 * because the wallet is probably still locked for them.  So do those of an entry whose time has
 * passed, when it has predecessors itself.
 */
static void
release_followers(Deferred *deferred, DeferredEntry *entry)
{
	bool may_follow = entry->retry_ms == 0 && entry->links_behind == 0;

	for (int i = 0; i < entry->link_count && may_follow; i++)
	{
		Link *next = entry->links[i].next;
		DeferredEntry *follower = next == NULL ? NULL : next->entry;

		if (follower == NULL || follower->failure != NULL || follower->is_expired)
			continue;
		if (follower->taking != deferred->taking)
		{
			follower->taking = deferred->taking;
			follower->links_open = follower->links_behind;
		}
		if (--follower->links_open == 0)
			pairingheap_add(&deferred->released, &follower->heap_node);
	}
}

/* Takes the entry with the lowest id from the heaps ready and released; NULL: both are empty. */
static DeferredEntry *
take_next(Deferred *deferred)
{
	const DeferredEntry *ready = first_of(&deferred->ready);
	const DeferredEntry *released = first_of(&deferred->released);
	DeferredEntry *entry;

	if (ready == NULL && released == NULL)
		return NULL;
	if (released == NULL ||
	    (ready != NULL && ready->request.request_id < released->request.request_id))
		entry = heap_entry(pairingheap_remove_first(&deferred->ready));
	else
		entry = heap_entry(pairingheap_remove_first(&deferred->released));
	entry->state = ENTRY_TAKEN;
	return entry;
}

int
deferred_take(Deferred *deferred, int count_max, Request *requests, DeferredEntry **entries)
{
	int count = 0;

	Assert(count_max >= 0 && pairingheap_is_empty(&deferred->released));
	deferred->probed = false;
	deferred->taking++;
	while (count < count_max)
	{
		DeferredEntry *entry = take_next(deferred);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
			break;
		release_followers(deferred, entry);
		requests[count] = entry->request;
		if (entry->is_expired)
			requests[count].valid_until = LONG_EXPIRED;
		entries[count++] = entry;
	}
	pairingheap_reset(&deferred->released);
	return count;
}

DeferredEntry *
deferred_take_failing(Deferred *deferred, int64 now_ms, Request *request)
{
	DeferredEntry *entry;

	if (pairingheap_is_empty(&deferred->failing) || deferred->probed)
		return NULL;
	entry = heap_entry(pairingheap_first(&deferred->failing));
	if (entry->retry_at_ms > now_ms)
		return NULL;
	set_state(deferred, entry, ENTRY_TAKEN);
	deferred->probed = true;
	*request = entry->request;
	return entry;
}
