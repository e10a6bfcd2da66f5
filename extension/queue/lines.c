/*
 * lines.c
 *		The lines in which deferred requests wait, one for each wallet that they touch.
 *
 * A line is in the order of the requests' ids.  Most requests have the highest id, and go to the
 * end.  The place of a request that turns up late is searched for from the finger on, the link
 * that was put in last: many late requests in the order of their ids cost one walk along the line.
 */
#include "queue/lines.h"

#include "base/claims.h"
#include "rules/post.h"

int
line_keys(const Request *request, int64 *keys)
{
	int count = 0;

	if (request->kind == KIND_WALLET)
		keys[count++] = -request->user_id;
	if (request->source_wallet_id > 0)
		keys[count++] = request->source_wallet_id;
	if (request->destination_wallet_id > 0 &&
	    request->destination_wallet_id != request->source_wallet_id)
		keys[count++] = request->destination_wallet_id;
	Assert(count <= LINKS_MAX);
	return count;
}

Line *
find_line(Deferred *deferred, int64 key)
{
	return hash_search(deferred->lines, &key, HASH_FIND, NULL);
}

Line *
make_line(Deferred *deferred, int64 key)
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
		claim_give(line->key);
		line->is_claimed = false;
		return;
	}
}

void
drop_empty_line(Deferred *deferred, Line *line)
{
	if (line->first != NULL || line->unread > 0)
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

/* For an entry that is new, has become the first in its lines, or comes back from a round. */
void
settle_state(Deferred *deferred, DeferredEntry *entry)
{
	set_state(deferred, entry,
	          entry->links_behind > 0  ? ENTRY_BEHIND
	          : entry->failure != NULL ? ENTRY_FAILING
	                                   : ENTRY_READY);
}

/* The link after which this id belongs; NULL: at the beginning of the line. */
static Link *
place_in_line(const Line *line, int64 request_id)
{
	Link *place = line->last;

	if (place == NULL || place->entry->request.request_id < request_id)
		return place;
	if (line->finger != NULL)
		place = line->finger;
	while (place != NULL && place->entry->request.request_id > request_id)
		place = place->previous;
	while (place != NULL && place->next != NULL &&
	       place->next->entry->request.request_id < request_id)
		place = place->next;
	return place;
}

/* Another entry has been put before the line's first one. */
static void
fall_behind(Deferred *deferred, DeferredEntry *entry)
{
	entry->links_behind++;
	if (entry->state != ENTRY_TAKEN)
		set_state(deferred, entry, ENTRY_BEHIND);
}

static void
join_line(Deferred *deferred, DeferredEntry *entry, int64 key)
{
	Line *line = make_line(deferred, key);
	Link *link = &entry->links[entry->link_count++];
	Link *before = place_in_line(line, entry->request.request_id);

	Assert(entry->link_count <= LINKS_MAX);
	*link = (Link){
	    .entry = entry,
	    .line = line,
	    .previous = before,
	    .next = before == NULL ? line->first : before->next,
	};
	if (before == NULL)
		line->first = link;
	else
		before->next = link;
	if (link->next == NULL)
		line->last = link;
	else
		link->next->previous = link;
	line->finger = link;
	if (before != NULL)
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

	Assert(was_first == (line->first == link));
	Assert((link->next == NULL) == (line->last == link));
	if (was_first)
		line->first = link->next;
	else
		link->previous->next = link->next;
	if (link->next == NULL)
		line->last = link->previous;
	else
		link->next->previous = link->previous;
	if (line->finger == link)
		line->finger = link->previous;
	line->claim_pause_ms = 0;
	if (was_first && follower != NULL && --follower->links_behind == 0 &&
	    follower->state == ENTRY_BEHIND)
		settle_state(deferred, follower);
	drop_empty_line(deferred, line);
}

/* The entry after which this id belongs in the list of all; NULL: at its beginning. */
static DeferredEntry *
place_of(const Deferred *deferred, int64 request_id)
{
	DeferredEntry *place = deferred->last;

	if (place == NULL || place->request.request_id < request_id)
		return place;
	if (deferred->finger != NULL)
		place = deferred->finger;
	while (place != NULL && place->request.request_id > request_id)
		place = place->previous;
	while (place != NULL && place->next != NULL && place->next->request.request_id < request_id)
		place = place->next;
	return place;
}

static void
join_all(Deferred *deferred, DeferredEntry *entry)
{
	DeferredEntry *before = place_of(deferred, entry->request.request_id);

	entry->previous = before;
	entry->next = before == NULL ? deferred->first : before->next;
	Assert(before == NULL || before->request.request_id < entry->request.request_id);
	Assert(entry->next == NULL || entry->request.request_id < entry->next->request.request_id);
	if (before == NULL)
		deferred->first = entry;
	else
		before->next = entry;
	if (entry->next == NULL)
		deferred->last = entry;
	else
		entry->next->previous = entry;
	deferred->finger = entry;
	deferred->count++;
}

static void
leave_all(Deferred *deferred, DeferredEntry *entry)
{
	if (entry->previous == NULL)
		deferred->first = entry->next;
	else
		entry->previous->next = entry->next;
	if (entry->next == NULL)
		deferred->last = entry->previous;
	else
		entry->next->previous = entry->previous;
	if (deferred->finger == entry)
		deferred->finger = entry->previous;
	deferred->count--;
}

void
join_lines(Deferred *deferred, DeferredEntry *entry, const int64 *keys, int count)
{
	for (int i = 0; i < count; i++)
		join_line(deferred, entry, keys[i]);
	join_all(deferred, entry);
}

void
leave_lines(Deferred *deferred, DeferredEntry *entry)
{
	for (int i = 0; i < entry->link_count; i++)
		leave_line(deferred, &entry->links[i]);
	leave_all(deferred, entry);
}
