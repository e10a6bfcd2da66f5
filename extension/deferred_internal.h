/*
 * deferred_internal.h
 *		What deferred.c and deferred_lines.c share, and nobody else sees.
 */
#ifndef PG_WALLET_DEFERRED_INTERNAL_H
#define PG_WALLET_DEFERRED_INTERNAL_H

#include "claims.h"
#include "deferred.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "utils/hsearch.h"

#define LINKS_MAX 3 /* of a request: a user and two wallets */

typedef enum EntryState
{
	ENTRY_READY,
	ENTRY_LOCKED,
	ENTRY_FAILING,
	ENTRY_BEHIND,
	ENTRY_TAKEN
} EntryState;

/* A line: of a wallet, by its id, or of a user who wants a wallet, by the negative of his. */
typedef struct Line
{
	int64 key;
	struct Link *first; /* in the order of the requests' ids */
	struct Link *last;
	struct Link *finger; /* where the last one was put in */
	int64 unread;        /* requests of which only the ids are kept */
	bool is_claimed;
	int64 claimed_ms;
	int64 claim_after_ms;
	int claim_pause_ms;
} Line;

/* A request's place in a line. */
typedef struct Link
{
	DeferredEntry *entry;
	Line *line;
	struct Link *previous;
	struct Link *next;
} Link;

/* How a request has failed alone. */
typedef struct Failure
{
	int sqlstate;
	int attempts;
	int pause_ms;
	TimestampTz since; /* for people to read */
	char message[FAILING_ERROR_SIZE];
} Failure;

struct DeferredEntry
{
	Request request;
	EntryState state;
	bool is_settled;  /* when the transaction commits */
	int links_behind; /* in which it is not the first */
	int links_open;   /* the same while a round takes entries, if taking is that round's */
	uint32 taking;
	int link_count;
	Link links[LINKS_MAX];
	int64 since_ms;
	int64 retry_at_ms;
	int retry_ms;
	Failure *failure; /* NULL for most */
	dlist_node failing_node;
	pairingheap_node heap_node;
	DeferredEntry *previous; /* of all, in the order of their ids */
	DeferredEntry *next;
};

struct Deferred
{
	MemoryContext context;
	MemoryContext entry_context;
	HTAB *lines;
	int count;
	DeferredEntry *first;
	DeferredEntry *last;
	DeferredEntry *finger;
	pairingheap ready;    /* by id */
	pairingheap released; /* by id: those whose predecessors a round has taken */
	pairingheap locked;   /* by the moment of the next try */
	pairingheap failing;
	dlist_head failing_list; /* the one that has failed for longest first */
	int failing_count;
	uint32 taking;
	bool probed; /* the last round tried one that fails */
	int64 *unread;
	int unread_first;
	int unread_end;
	int unread_room;
	bool may_claim;
	Line *claimed[CLAIMS_MAX];
	int claimed_count;
};

#define heap_entry(node) pairingheap_container(DeferredEntry, heap_node, node)

/* The keys of the lines of a request; returns how many. */
extern int line_keys(const Request *request, int64 *keys);

/* The line of this key; find_line: NULL when there is none. */
extern Line *find_line(Deferred *deferred, int64 key);
extern Line *make_line(Deferred *deferred, int64 key);

/* A line without requests is none. */
extern void drop_empty_line(Deferred *deferred, Line *line);

/* Direct payments need not step back for this wallet any more. */
extern void give_claim_back(Deferred *deferred, Line *line);

/* Put an entry into the lines of these keys, and into the list of all; or take it out of both. */
extern void join_lines(Deferred *deferred, DeferredEntry *entry, const int64 *keys, int count);
extern void leave_lines(Deferred *deferred, DeferredEntry *entry);

/* set_state moves an entry between the heaps.  settle_state finds out which state it has. */
extern void set_state(Deferred *deferred, DeferredEntry *entry, EntryState state);
extern void settle_state(Deferred *deferred, DeferredEntry *entry);

#endif /* PG_WALLET_DEFERRED_INTERNAL_H */
