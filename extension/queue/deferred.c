/*
 * deferred.c
 *		Deferred requests: which of them may be tried, and when.
 *
 * An entry is in exactly one state (EntryState).  Entries that are the first in all of their lines
 * are kept in heaps, so that a round finds the next one without looking at the others.
 *
 * Memory: when DEFERRED_MAX entries are in memory, or entries with legs of PARTS_SIZE_MAX bytes,
 * only the ids of further requests are kept, and each line counts them.  A later request in such a
 * line comes after them, so only its id is kept, too.  What names a hold by a handshake is always
 * kept whole, since its lines change when the hold is found.
 */
#include "queue/deferred.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/chosen.h"
#include "base/claims.h"
#include "queue/lines.h"
#include "rules/operation.h"

/* Bytes of legs that are kept in memory. */
#define PARTS_SIZE_MAX (64 * 1024 * 1024)

/* The pause after a wallet was locked; doubles with each further try. */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 400

/* The pause when the wallet is claimed: direct payments step back, so it is free soon. */
#define CLAIMED_RETRY_MS 3

/* How long a request waits for a locked wallet before it claims the wallet. */
#define CLAIM_AFTER_MS 200

/* A claim lasts for CLAIM_MAX_MS at most.  The pause before the next claim doubles each time. */
#define CLAIM_MAX_MS 1000
#define CLAIM_PAUSE_MIN_MS 200
#define CLAIM_PAUSE_MAX_MS 5000

/* The pause after a request has failed alone; doubles with each further try. */
#define FAILING_MIN_MS 100
#define FAILING_MAX_MS 10000

static int
compare_ids(const pairingheap_node *a, const pairingheap_node *b, void *argument)
{
	int64 left = pairingheap_const_container(DeferredEntry, heap_node, a)->request.request_id;
	int64 right = pairingheap_const_container(DeferredEntry, heap_node, b)->request.request_id;

	return left < right ? 1 : left > right ? -1 : 0;
}

static int
compare_moments(const pairingheap_node *a, const pairingheap_node *b, void *argument)
{
	int64 left = pairingheap_const_container(DeferredEntry, heap_node, a)->retry_at_ms;
	int64 right = pairingheap_const_container(DeferredEntry, heap_node, b)->retry_at_ms;

	return left < right ? 1 : left > right ? -1 : 0;
}

static int
compare_deadlines(const pairingheap_node *a, const pairingheap_node *b, void *argument)
{
	int64 left = pairingheap_const_container(DeferredEntry, deadline_node, a)->request.valid_until;
	int64 right = pairingheap_const_container(DeferredEntry, deadline_node, b)->request.valid_until;

	return left < right ? 1 : left > right ? -1 : 0;
}

static uint32
hash_key(const void *bytes, Size size)
{
	const LineKey *key = bytes;

	return chosen_hash(key->id) ^ (key->space == SPACE_HOLD ? 0x9e3779b9 : 0);
}

static void
init_heap(pairingheap *heap, pairingheap_comparator compare)
{
	*heap = (pairingheap){.ph_compare = compare};
}

Deferred *
deferred_make(MemoryContext parent, bool may_claim)
{
	MemoryContext context =
	    AllocSetContextCreate(parent, "pg_wallet deferred requests", ALLOCSET_DEFAULT_SIZES);
	Deferred *deferred = MemoryContextAllocZero(context, sizeof(Deferred));
	HASHCTL control = {
	    .keysize = sizeof(LineKey),
	    .entrysize = sizeof(Line),
	    .hash = hash_key,
	    .hcxt = context,
	};

	deferred->context = context;
	deferred->entry_context = SlabContextCreate(context, "pg_wallet deferred entries",
	                                            SLAB_DEFAULT_BLOCK_SIZE, sizeof(DeferredEntry));
	deferred->lines = hash_create("pg_wallet deferred lines", 64, &control,
	                              HASH_ELEM | HASH_FUNCTION | HASH_CONTEXT);
	init_heap(&deferred->ready, compare_ids);
	init_heap(&deferred->released, compare_ids);
	init_heap(&deferred->locked, compare_moments);
	init_heap(&deferred->failing, compare_moments);
	init_heap(&deferred->deadlines, compare_deadlines);
	dlist_init(&deferred->failing_list);
	deferred->may_claim = may_claim;
	return deferred;
}

void
deferred_free(Deferred *deferred)
{
	deferred_tend_claims(deferred, 0, true);
	MemoryContextDelete(deferred->context);
}

int64
deferred_count(const Deferred *deferred)
{
	return (int64) deferred->count + deferred->unread_end - deferred->unread_first;
}

bool
deferred_has_ready(const Deferred *deferred)
{
	return !pairingheap_is_empty(&deferred->ready) || deferred_wants_reading(deferred);
}

int
deferred_pause_ms(const Deferred *deferred, int64 now_ms, TimestampTz clock)
{
	const DeferredEntry *ending = first_deadline(deferred);
	const DeferredEntry *locked = first_of(&deferred->locked);
	const DeferredEntry *failing = first_of(&deferred->failing);
	int64 at_ms = PG_INT64_MAX;

	if (locked != NULL)
		at_ms = locked->retry_at_ms;
	if (failing != NULL)
		at_ms = Min(at_ms, failing->retry_at_ms);
	if (ending != NULL && ending->request.valid_until < clock)
		at_ms = now_ms;
	else if (ending != NULL)
		at_ms = Min(at_ms, now_ms + (ending->request.valid_until - clock) / 1000 + 1);
	return at_ms == PG_INT64_MAX ? -1 : (int) Max(1, Min(at_ms - now_ms, INT_MAX));
}

int64
deferred_next_id(const Deferred *deferred, DeferredCursor *cursor)
{
	int64 next = PG_INT64_MAX;

	if (!cursor->is_begun)
		*cursor = (DeferredCursor){true, deferred->all.first, deferred->unread_first};
	while (cursor->link != NULL && cursor->link->entry->is_settled)
		cursor->link = cursor->link->next;
	if (cursor->unread < deferred->unread_end)
		next = deferred->unread[cursor->unread];
	if (cursor->link != NULL && cursor->link->entry->request.request_id < next)
	{
		next = cursor->link->entry->request.request_id;
		cursor->link = cursor->link->next;
	}
	else if (next != PG_INT64_MAX)
		cursor->unread++;
	return next;
}

bool
deferred_blocks(Deferred *deferred, const Request *request)
{
	LineKey keys[LINES_MAX];
	int count;

	if (deferred_count(deferred) == 0)
		return false;
	count = lines_of(request, keys);
	for (int i = 0; i < count; i++)
	{
		/* Who names a hold stands behind the request that makes it. */
		bool is_own = request->kind == KIND_HOLD && keys[i].space == SPACE_HOLD;

		if (!is_own && find_line(deferred, keys[i]) != NULL)
			return true;
	}
	return false;
}

bool
deferred_has_unread(Deferred *deferred, const Request *request)
{
	LineKey keys[LINES_MAX];
	int count;

	if (deferred->unread_first == deferred->unread_end)
		return false;
	count = lines_of(request, keys);
	for (int i = 0; i < count; i++)
	{
		const Line *line = find_line(deferred, keys[i]);

		if (line != NULL && line->unread > 0)
			return true;
	}
	return false;
}

/* An entry owns its legs: those of the request are gone when the round ends. */
static void
keep_parts(Deferred *deferred, DeferredEntry *entry)
{
	const Parts *parts = entry->request.parts;

	if (parts == NULL)
		return;
	entry->request.parts =
	    parts_copy(MemoryContextAllocHuge(deferred->context, parts->size), parts);
	deferred->parts_size += parts->size;
}

static void
free_parts(Deferred *deferred, DeferredEntry *entry)
{
	if (entry->request.parts == NULL)
		return;
	deferred->parts_size -= entry->request.parts->size;
	pfree(entry->request.parts);
}

DeferredEntry *
deferred_add(Deferred *deferred, const Request *request, int64 now_ms)
{
	DeferredEntry *entry;
	LineKey keys[LINES_MAX];
	int count = lines_of(request, keys);

	CHECK_FOR_INTERRUPTS();
	Assert(request->request_id > 0);
	entry = MemoryContextAlloc(deferred->entry_context, sizeof(DeferredEntry));
	*entry = (DeferredEntry){.request = *request, .state = ENTRY_TAKEN, .since_ms = now_ms};
	keep_parts(deferred, entry);
	join_lines(deferred, entry, keys, count);
	settle_state(deferred, entry);
	return entry;
}

DeferredEntry *
deferred_take_new(Deferred *deferred, const Request *request, int64 now_ms)
{
	DeferredEntry *entry = deferred_add(deferred, request, now_ms);

	set_state(deferred, entry, ENTRY_TAKEN);
	return entry;
}

/* Keeps an id in rising order.  A new id is nearly always the highest, so the search is short. */
static void
keep_id(Deferred *deferred, int64 request_id)
{
	int place;

	if (deferred->unread_first > 0 && deferred->unread_end == deferred->unread_room)
	{
		deferred->unread_end -= deferred->unread_first;
		memmove(deferred->unread, deferred->unread + deferred->unread_first,
		        sizeof(int64) * deferred->unread_end);
		deferred->unread_first = 0;
	}
	if (deferred->unread_end == deferred->unread_room)
	{
		deferred->unread_room = Max(1024, deferred->unread_room * 2);
		deferred->unread =
		    deferred->unread == NULL
		        ? MemoryContextAlloc(deferred->context, sizeof(int64) * deferred->unread_room)
		        : repalloc_huge(deferred->unread, sizeof(int64) * deferred->unread_room);
	}
	Assert(deferred->unread_end < deferred->unread_room);
	place = deferred->unread_end;
	while (place > deferred->unread_first && deferred->unread[place - 1] > request_id)
		place--;
	memmove(deferred->unread + place + 1, deferred->unread + place,
	        sizeof(int64) * (deferred->unread_end - place));
	deferred->unread[place] = request_id;
	deferred->unread_end++;
}

void
deferred_put(Deferred *deferred, const Request *request, int64 now_ms)
{
	LineKey keys[LINES_MAX];
	int count = lines_of(request, keys);
	bool may_be_unread = !request->has_handshake;
	bool is_unread = may_be_unread &&
	                 (deferred->count >= DEFERRED_MAX || deferred->parts_size >= PARTS_SIZE_MAX);

	for (int i = 0; i < count && may_be_unread && !is_unread; i++)
	{
		Line *line = find_line(deferred, keys[i]);

		is_unread = line != NULL && line->unread > 0;
	}
	if (!is_unread)
	{
		(void) deferred_add(deferred, request, now_ms);
		return;
	}
	keep_id(deferred, request->request_id);
	for (int i = 0; i < count; i++)
		make_line(deferred, keys[i])->unread++;
}

bool
deferred_wants_reading(const Deferred *deferred)
{
	return deferred->unread_first < deferred->unread_end && deferred->count < DEFERRED_MAX / 2 &&
	       deferred->parts_size < PARTS_SIZE_MAX / 2;
}

int
deferred_ids_to_read(const Deferred *deferred, int count_max, int64 *request_ids)
{
	int count = Min(count_max, deferred->unread_end - deferred->unread_first);

	Assert(deferred_wants_reading(deferred));
	memcpy(request_ids, deferred->unread + deferred->unread_first, sizeof(int64) * count);
	return count;
}

void
deferred_reread(Deferred *deferred, const Request *request)
{
	LineKey keys[LINES_MAX];
	int count = lines_of(request, keys);

	if (deferred->unread_first == deferred->unread_end ||
	    deferred->unread[deferred->unread_first] != request->request_id)
		elog(ERROR, "request " INT64_FORMAT " does not wait to be read", request->request_id);
	deferred->unread_first++;
	for (int i = 0; i < count; i++)
	{
		Line *line = find_line(deferred, keys[i]);

		if (line == NULL || line->unread == 0)
			elog(ERROR, "request " INT64_FORMAT " waits in other lines", request->request_id);
		line->unread--;
		drop_empty_line(deferred, line);
	}
}

void
deferred_mark_settled(DeferredEntry *entry)
{
	Assert(entry->state == ENTRY_TAKEN);
	entry->is_settled = true;
}

void
deferred_remove(Deferred *deferred, DeferredEntry *entry)
{
	Assert(entry->state == ENTRY_TAKEN);
	leave_lines(deferred, entry);
	unwatch_deadline(deferred, entry);
	free_parts(deferred, entry);
	if (entry->failure != NULL)
	{
		dlist_delete(&entry->failing_node);
		deferred->failing_count--;
		pfree(entry->failure);
	}
	pfree(entry);
}

void
deferred_return(Deferred *deferred, DeferredEntry *entry)
{
	Assert(entry->state == ENTRY_TAKEN);
	entry->is_settled = false;
	settle_state(deferred, entry);
}

bool
deferred_rename(Deferred *deferred, DeferredEntry *entry, const Request *request)
{
	LineKey keys[LINES_MAX];
	int count = lines_of(request, keys);

	Assert(entry->state == ENTRY_TAKEN && request->parts == NULL);
	leave_lines(deferred, entry);
	entry->request = *request;
	entry->links_behind = 0;
	join_lines(deferred, entry, keys, count);
	if (entry->links_behind == 0)
		return true;
	deferred_return(deferred, entry);
	return false;
}

/* Claims a line's wallet.  Returns false when no claim is free, or the pause is not over. */
static bool
claim_wallet(Deferred *deferred, Line *line, int64 now_ms)
{
	if (line->is_claimed)
		return true;
	if (now_ms < line->claim_after_ms || deferred->claimed_count == CLAIMS_MAX ||
	    !claim_take(line->key.id))
		return false;
	line->is_claimed = true;
	line->claimed_ms = now_ms;
	deferred->claimed[deferred->claimed_count++] = line;
	return true;
}

/* Claims the wallets of a request.  Returns whether at least one of them is claimed. */
static bool
claim_wallets(Deferred *deferred, DeferredEntry *entry, int64 now_ms)
{
	bool any = false;

	for (int i = 0; i < entry->link_count; i++)
	{
		Line *line = entry->links[i].line;

		if (line->key.space == SPACE_WALLET && line->key.id > 0 &&
		    claim_wallet(deferred, line, now_ms))
			any = true;
	}
	return any;
}

void
deferred_busy(Deferred *deferred, DeferredEntry *entry, int64 now_ms)
{
	Assert(entry->state == ENTRY_TAKEN);
	if (entry->links_behind > 0 || entry->failure != NULL)
	{
		entry->retry_at_ms = now_ms + RETRY_MAX_MS;
		deferred_return(deferred, entry);
		return;
	}
	entry->is_settled = false;
	watch_deadline(deferred, entry);
	entry->retry_ms =
	    entry->retry_ms == 0 ? RETRY_MIN_MS : (int) Min(entry->retry_ms * 2, RETRY_MAX_MS);
	entry->retry_at_ms = now_ms + entry->retry_ms;
	if (deferred->may_claim && now_ms - entry->since_ms >= CLAIM_AFTER_MS &&
	    claim_wallets(deferred, entry, now_ms))
		entry->retry_at_ms = now_ms + CLAIMED_RETRY_MS;
	set_state(deferred, entry, ENTRY_LOCKED);
}

/* Copies an error's message, cut at a character's end to FAILING_ERROR_SIZE. */
static void
copy_message(const ErrorData *error, char *message)
{
	const char *text = error->message == NULL ? "" : error->message;
	int length = pg_mbcliplen(text, (int) strlen(text), FAILING_ERROR_SIZE - 1);

	memcpy(message, text, length);
	message[length] = '\0';
}

bool
deferred_error_is_known(const DeferredEntry *entry, const ErrorData *error)
{
	char message[FAILING_ERROR_SIZE];

	if (entry->failure == NULL || entry->failure->sqlstate != error->sqlerrcode)
		return false;
	copy_message(error, message);
	return strcmp(entry->failure->message, message) == 0;
}

bool
deferred_fail(Deferred *deferred, DeferredEntry *entry, const ErrorData *error, int64 now_ms)
{
	bool known = deferred_error_is_known(entry, error);
	Failure *failure = entry->failure;

	if (failure == NULL)
	{
		failure = MemoryContextAllocZero(deferred->context, sizeof(Failure));
		failure->since = GetCurrentTimestamp();
		set_state(deferred, entry, ENTRY_TAKEN);
		entry->failure = failure;
		dlist_push_tail(&deferred->failing_list, &entry->failing_node);
		deferred->failing_count++;
	}
	failure->sqlstate = error->sqlerrcode;
	failure->attempts++;
	failure->pause_ms =
	    failure->pause_ms == 0 ? FAILING_MIN_MS : Min(failure->pause_ms * 2, FAILING_MAX_MS);
	copy_message(error, failure->message);
	set_state(deferred, entry, ENTRY_TAKEN);
	entry->retry_at_ms = now_ms + failure->pause_ms;
	deferred_return(deferred, entry);
	return !known;
}

int64
deferred_request_id(const DeferredEntry *entry)
{
	return entry->request.request_id;
}

int
deferred_attempts(const DeferredEntry *entry)
{
	return entry->failure == NULL ? 0 : entry->failure->attempts;
}

int
deferred_sqlstate(const DeferredEntry *entry)
{
	return entry->failure == NULL ? 0 : entry->failure->sqlstate;
}

void
deferred_cause_is_gone(Deferred *deferred, int sqlstate, int64 now_ms)
{
	dlist_iter iterator;

	dlist_foreach(iterator, &deferred->failing_list)
	{
		DeferredEntry *entry = dlist_container(DeferredEntry, failing_node, iterator.cur);

		if (entry->failure->sqlstate != sqlstate || entry->state != ENTRY_FAILING)
			continue;
		set_state(deferred, entry, ENTRY_TAKEN);
		entry->retry_at_ms = now_ms;
		set_state(deferred, entry, ENTRY_FAILING);
	}
}

void
deferred_failing(const Deferred *deferred, FailingRequests *failing)
{
	const DeferredEntry *entry;

	*failing = (FailingRequests){.count = deferred->failing_count};
	if (failing->count == 0)
		return;
	entry = dlist_container(DeferredEntry, failing_node,
	                        dlist_head_node((dlist_head *) &deferred->failing_list));
	failing->request_id = entry->request.request_id;
	failing->since = entry->failure->since;
	failing->attempts = entry->failure->attempts;
	failing->sqlstate = entry->failure->sqlstate;
	strlcpy(failing->error, entry->failure->message, sizeof(failing->error));
}

void
deferred_tend_claims(Deferred *deferred, int64 now_ms, bool all)
{
	for (int i = deferred->claimed_count - 1; i >= 0; i--)
	{
		Line *line = deferred->claimed[i];

		if (!all && now_ms - line->claimed_ms < CLAIM_MAX_MS)
			continue;
		line->claim_pause_ms = line->claim_pause_ms == 0
		                           ? CLAIM_PAUSE_MIN_MS
		                           : Min(line->claim_pause_ms * 2, CLAIM_PAUSE_MAX_MS);
		line->claim_after_ms = now_ms + line->claim_pause_ms;
		give_claim_back(deferred, line);
	}
}

bool
deferred_has_claims(const Deferred *deferred)
{
	return deferred->claimed_count > 0;
}
