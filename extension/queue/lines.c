/*
 * lines.c
 *		The lines in which deferred requests wait: one for each wallet that they touch, and one for
 *		each hold that they name by its handshake.
 *
 * A line is in the order of the requests' ids.  Most requests have the highest id, and go to the
 * end.  The place of a request that turns up late is searched for from the finger on, the link
 * that was put in last: many late requests in the order of their ids cost one walk along the line.
 */
#include "queue/lines.h"

#include "base/claims.h"
#include "rules/operation.h"

int
lines_of(const Request *request, LineKey *keys)
{
	int64 ids[OPERATION_KEYS_MAX];
	int count = operation_keys(request, ids);

	for (int i = 0; i < count; i++)
		keys[i] = (LineKey){ids[i], SPACE_WALLET};
	if (request->kind == KIND_HOLD)
		keys[count++] = (LineKey){request->request_id, SPACE_HOLD};
	else if (request->is_unresolved)
		keys[count++] = (LineKey){request->link_id, SPACE_HOLD};
	Assert(count <= LINES_MAX);
	return count;
}

Line *
find_line(Deferred *deferred, LineKey key)
{
	return hash_search(deferred->lines, &key, HASH_FIND, NULL);
}

Line *
make_line(Deferred *deferred, LineKey key)
{
	bool found;
	Line *line = hash_search(deferred->lines, &key, HASH_ENTER, &found);

	if (!found)
		*line = (Line){.key = key};
	return line;
}

void
give_claim_back(Deferred *deferred, Line *line)
{
	for (int i = 0; i < deferred->claimed_count; i++)
	{
		if (deferred->claimed[i] != line)
			continue;
		deferred->claimed[i] = deferred->claimed[--deferred->claimed_count];
		claim_give(line->key.id);
		line->is_claimed = false;
		return;
	}
}

void
drop_empty_line(Deferred *deferred, Line *line)
{
	if (line->links.first != NULL || line->unread > 0)
		return;
	if (line->is_claimed)
		give_claim_back(deferred, line);
	hash_search(deferred->lines, &line->key, HASH_REMOVE, NULL);
}

static pairingheap *
heap_of(Deferred *deferred, EntryState state)
{
	switch (state)
	{
		case ENTRY_READY:
			return &deferred->ready;
		case ENTRY_LOCKED:
			return &deferred->locked;
		case ENTRY_FAILING:
			return &deferred->failing;
		default:
			return NULL;
	}
}

void
set_state(Deferred *deferred, DeferredEntry *entry, EntryState state)
{
	pairingheap *from = heap_of(deferred, entry->state);
	pairingheap *to = heap_of(deferred, state);

	if (from != NULL)
		pairingheap_remove(from, &entry->heap_node);
	if (to != NULL)
		pairingheap_add(to, &entry->heap_node);
	entry->state = state;
}

void
watch_deadline(Deferred *deferred, DeferredEntry *entry)
{
	if (entry->request.valid_until == 0 || entry->has_deadline)
		return;
	pairingheap_add(&deferred->deadlines, &entry->deadline_node);
	entry->has_deadline = true;
}

void
unwatch_deadline(Deferred *deferred, DeferredEntry *entry)
{
	if (entry->has_deadline)
		pairingheap_remove(&deferred->deadlines, &entry->deadline_node);
	entry->has_deadline = false;
}

/* For an entry that is new, has become the first in its lines, or comes back from a round. */
void
settle_state(Deferred *deferred, DeferredEntry *entry)
{
	entry->is_expired = false;
	watch_deadline(deferred, entry);
	set_state(deferred, entry,
	          entry->links_behind > 0  ? ENTRY_BEHIND
	          : entry->failure != NULL ? ENTRY_FAILING
	                                   : ENTRY_READY);
}

/* Returns the link after which this id belongs; NULL: at the beginning of the list. */
static Link *
find_place(const List *list, int64 request_id)
{
	Link *place = list->last;

	if (place == NULL || place->entry->request.request_id < request_id)
		return place;
	if (list->finger != NULL)
		place = list->finger;
	while (place != NULL && place->entry->request.request_id > request_id)
		place = place->previous;
	while (place != NULL && place->next != NULL &&
	       place->next->entry->request.request_id < request_id)
		place = place->next;
	return place;
}

static void
put_into_list(List *list, Link *link)
{
	Link *before = find_place(list, link->entry->request.request_id);

	link->previous = before;
	link->next = before == NULL ? list->first : before->next;
	*(before == NULL ? &list->first : &before->next) = link;
	*(link->next == NULL ? &list->last : &link->next->previous) = link;
	list->finger = link;
	Assert(before == NULL || before->entry->request.request_id < link->entry->request.request_id);
	Assert(link->next == NULL ||
	       link->entry->request.request_id < link->next->entry->request.request_id);
}

static void
take_out_of_list(List *list, Link *link)
{
	Assert((link->previous == NULL) == (list->first == link));
	Assert((link->next == NULL) == (list->last == link));
	*(link->previous == NULL ? &list->first : &link->previous->next) = link->next;
	*(link->next == NULL ? &list->last : &link->next->previous) = link->previous;
	if (list->finger == link)
		list->finger = link->previous;
}

/* Another entry has been put before the line's first one. */
static void
fall_behind(Deferred *deferred, DeferredEntry *entry)
{
	entry->links_behind++;
	if (entry->state != ENTRY_TAKEN && !entry->is_expired)
		set_state(deferred, entry, ENTRY_BEHIND);
}

static void
join_line(Deferred *deferred, DeferredEntry *entry, LineKey key)
{
	Line *line = make_line(deferred, key);
	Link *link = &entry->links[entry->link_count++];

	*link = (Link){.entry = entry, .line = line};
	put_into_list(&line->links, link);
	if (link->previous != NULL)
		entry->links_behind++;
	else if (link->next != NULL)
		fall_behind(deferred, link->next->entry);
}

static void
leave_line(Deferred *deferred, Link *link)
{
	Line *line = link->line;
	DeferredEntry *follower = link->next == NULL ? NULL : link->next->entry;
	bool was_first = link->previous == NULL;

	take_out_of_list(&line->links, link);
	line->claim_pause_ms = 0;
	if (was_first && follower != NULL && --follower->links_behind == 0 &&
	    follower->state == ENTRY_BEHIND)
		settle_state(deferred, follower);
	drop_empty_line(deferred, line);
}

void
join_lines(Deferred *deferred, DeferredEntry *entry, const LineKey *keys, int count)
{
	entry->link_count = 0;
	entry->links = count <= lengthof(entry->own_links)
	                   ? entry->own_links
	                   : MemoryContextAlloc(deferred->context, sizeof(Link) * count);
	for (int i = 0; i < count; i++)
		join_line(deferred, entry, keys[i]);
	entry->place = (Link){.entry = entry};
	put_into_list(&deferred->all, &entry->place);
	deferred->count++;
}

void
leave_lines(Deferred *deferred, DeferredEntry *entry)
{
	for (int i = 0; i < entry->link_count; i++)
		leave_line(deferred, &entry->links[i]);
	if (entry->links != entry->own_links)
		pfree(entry->links);
	take_out_of_list(&deferred->all, &entry->place);
	deferred->count--;
}

const DeferredEntry *
first_of(const pairingheap *heap)
{
	return pairingheap_is_empty(heap) ? NULL : heap_entry(pairingheap_first((pairingheap *) heap));
}

DeferredEntry *
first_deadline(const Deferred *deferred)
{
	if (pairingheap_is_empty(&deferred->deadlines))
		return NULL;
	return pairingheap_container(DeferredEntry, deadline_node,
	                             pairingheap_first((pairingheap *) &deferred->deadlines));
}
