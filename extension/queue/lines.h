/*
 * lines.h
 *		The lines in which deferred requests wait.  Only lines.c and deferred.c see them.
 */
#ifndef PG_WALLET_LINES_H
#define PG_WALLET_LINES_H

#include "base/version.h"

#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "utils/hsearch.h"

#include "base/claims.h"
#include "queue/failing.h"
#include "rules/operation.h"

typedef struct Deferred Deferred;
typedef struct DeferredEntry DeferredEntry;

typedef enum EntryState
{
	ENTRY_READY,   /* the first in all lines; in the heap ready */
	ENTRY_LOCKED,  /* the first in all lines, but a wallet was locked; in the heap locked */
	ENTRY_FAILING, /* the first in all lines, but it has failed alone; in the heap failing */
	ENTRY_BEHIND,  /* not the first in one of its lines; in no heap */
	ENTRY_TAKEN    /* a round tries it; in no heap */
} EntryState;

/* Entries in the order of their requests' ids. */
typedef struct List
{
	struct Link *first;
	struct Link *last;
	struct Link *finger; /* the link that was put in last */
} List;

/* What a line is for. */
typedef enum LineSpace
{
	SPACE_WALLET, /* id: a wallet's, or the negative id of a user whose wallet is to be created */
	SPACE_HOLD,   /* id: of the request that makes the hold which others name by its handshake */
} LineSpace;

typedef struct LineKey
{
	int64 id;
	int64 space; /* LineSpace; so wide that no byte of a key is undefined */
} LineKey;

/* A request's own wallets, and the hold that it makes or names. */
#define PLAIN_LINES_MAX (PLAIN_KEYS_MAX + 1)
#define LINES_MAX (OPERATION_KEYS_MAX + 1)

typedef struct Line
{
	LineKey key;
	List links;
	int64 unread; /* number of requests of which only the ids are kept */
	bool is_claimed;
	int64 claimed_ms;
	int64 claim_after_ms;
	int claim_pause_ms;
} Line;

/* A request's place in a line, or in the list of all entries. */
typedef struct Link
{
	DeferredEntry *entry;
	Line *line; /* NULL in the list of all entries */
	struct Link *previous;
	struct Link *next;
} Link;

/* What is known about a request that has failed alone. */
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
	bool is_settled;  /* carried out, if the transaction commits */
	bool is_expired;  /* its time has passed: a round refuses it, wherever it stands in its lines */
	int links_behind; /* number of lines in which the entry is not the first */
	int links_open;   /* links_behind without the entries that the round "taking" has taken */
	uint32 taking;
	int link_count;
	Link *links; /* own_links, or memory of their own when there are more */
	Link own_links[PLAIN_LINES_MAX];
	int64 since_ms;
	int64 retry_at_ms;
	int retry_ms;
	Failure *failure; /* NULL for most */
	dlist_node failing_node;
	pairingheap_node heap_node;
	pairingheap_node deadline_node;
	bool has_deadline; /* it is in the heap deadlines */
	Link place;        /* in the list of all entries */
};

struct Deferred
{
	MemoryContext context;
	MemoryContext entry_context;
	HTAB *lines;
	int count;
	Size parts_size; /* bytes of the entries' legs */
	List all;
	pairingheap ready;    /* by id */
	pairingheap released; /* by id: all entries before them are taken by this round */
	pairingheap locked;   /* by retry_at_ms, as failing */
	pairingheap failing;
	pairingheap deadlines;   /* by valid_until, of those that have one */
	dlist_head failing_list; /* the entry that has been failing for the longest time first */
	int failing_count;
	uint32 taking;
	bool probed;   /* the round has tried a failing entry: one a round is enough */
	int64 *unread; /* ids of requests that are not in memory, from unread_first to unread_end */
	int unread_first;
	int unread_end;
	int unread_room;
	bool may_claim;
	Line *claimed[CLAIMS_MAX];
	int claimed_count;
};

#define heap_entry(node) pairingheap_container(DeferredEntry, heap_node, node)

/*
 * The lines in which a request stands, LINES_MAX at the most.  A request that makes a hold stands
 * in the line of that hold, before all that name it.
 */
extern int lines_of(const Request *request, LineKey *keys);

/* The line of a key.  find_line returns NULL when there is none, make_line makes it. */
extern Line *find_line(Deferred *deferred, LineKey key);
extern Line *make_line(Deferred *deferred, LineKey key);

/* Removes the line if no request stands in it. */
extern void drop_empty_line(Deferred *deferred, Line *line);

/* Gives the claim of the line's wallet back: direct payments no longer step back for it. */
extern void give_claim_back(Deferred *deferred, Line *line);

/* Put an entry into the lines of these keys and into the list of all entries, or take it out. */
extern void join_lines(Deferred *deferred, DeferredEntry *entry, const LineKey *keys, int count);
extern void leave_lines(Deferred *deferred, DeferredEntry *entry);

/*
 * set_state moves an entry between the heaps.  settle_state finds an entry's state.  watch_deadline
 * puts an entry that has a deadline into the heap of those; unwatch_deadline takes it out.
 */
extern void set_state(Deferred *deferred, DeferredEntry *entry, EntryState state);
extern void settle_state(Deferred *deferred, DeferredEntry *entry);
extern void watch_deadline(Deferred *deferred, DeferredEntry *entry);
extern void unwatch_deadline(Deferred *deferred, DeferredEntry *entry);

/* The first entry of a heap, and the entry whose time ends first; NULL where there is none. */
extern const DeferredEntry *first_of(const pairingheap *heap);
extern DeferredEntry *first_deadline(const Deferred *deferred);

#endif /* PG_WALLET_LINES_H */
