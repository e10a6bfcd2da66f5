/*
 * requests.c
 *		The table wallet.request: what is asked through the queue.
 */
#include "tables/requests.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/statement.h"
#include "rules/extra.h"
#include "rules/operation.h"
#include "tables/map.h"
#include "tables/rows.h"

/* The members that have no column, as rules/extra.h packs them. */
#define MAP_TYPE_EXTRA BYTEAOID, true
#define MAP_PUT_EXTRA(request) pack_extra(request)
#define MAP_GET_EXTRA(request) unpack_extra(*values, *nulls, request)

/* A kind without an amount has none of 0 either. */
#define REQUEST_COLUMNS(X)                                                                         \
	X(request_id, BIGINT, r->request_id, false, 0)                                                 \
	X(user_id, BIGINT, r->user_id, false, 0)                                                       \
	X(source_wallet_id, BIGINT, r->source_wallet_id, r->source_wallet_id == 0, 0)                  \
	X(destination_wallet_id, BIGINT, r->destination_wallet_id, r->destination_wallet_id == 0, 0)   \
	X(amount, BIGINT, r->amount.digits, !has_amount || r->amount.scale < 0, 0)                     \
	X(enqueued_at, UNREAD_TIME, enqueued_at, false, 0)                                             \
	X(kind, SMALLINT, r->kind, false, 0)                                                           \
	X(amount_scale, SMALLINT, r->amount.scale, !has_amount || r->amount.scale < 0, 0)              \
	X(currency, TEXT, r->currency, false, 0)                                                       \
	X(extra, EXTRA, r, false, 0)

static const RowColumn request_columns[] = {REQUEST_COLUMNS(MAP_COLUMN)};

struct RequestPlaces
{
	REQUEST_COLUMNS(MAP_PLACE)
};

static Datum
pack_extra(const Request *request)
{
	static union
	{
		struct varlena bytes;
		varattrib_4b room;
	} none;
	size_t length;
	bytea *extra;

	if (extra_is_empty(request))
	{
		SET_VARSIZE(&none, VARHDRSZ);
		return PointerGetDatum(&none);
	}
	length = extra_pack(request, NULL);
	extra = palloc(VARHDRSZ + length);
	SET_VARSIZE(extra, VARHDRSZ + length);
	(void) extra_pack(request, (unsigned char *) VARDATA(extra));
	return PointerGetDatum(extra);
}

/* A request whose bytes nobody can read is broken: it is refused, and others go on. */
static void
unpack_extra(Datum value, bool is_null, Request *request)
{
	const bytea *extra = is_null ? NULL : DatumGetByteaPP(value);
	const unsigned char *bytes;
	size_t length;
	size_t block_size;

	if (extra == NULL || (VARSIZE_ANY_EXHDR(extra) == 0 && request->kind != KIND_GROUP))
		return;
	bytes = (const unsigned char *) VARDATA_ANY(extra);
	length = VARSIZE_ANY_EXHDR(extra);
	request->is_broken =
	    !extra_block_size(bytes, length, &block_size) ||
	    !extra_unpack(bytes, length, request, block_size == 0 ? NULL : palloc(block_size));
	if (request->is_broken)
	{
		request->parts = NULL;
		request->has_handshake = false;
	}
}

static void
request_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Request *r = from;
	TimestampTz enqueued_at = *(const TimestampTz *) out->given;
	bool has_amount = kind_infos[r->kind].has_amount;

	REQUEST_COLUMNS(MAP_PUT)
}

static void
request_from_row(const Datum *values, const bool *nulls, void *to)
{
	Request *r = to;
	bool has_amount = !nulls[offsetof(struct RequestPlaces, amount_scale)];

	*r = (Request){.max_capture = AMOUNT_NONE};
	REQUEST_COLUMNS(MAP_GET)
	if (!has_amount)
		r->amount = AMOUNT_NONE;
	r->is_unresolved = r->has_handshake;
}

static Statement insert_requests;

static const RowLayout request_layout = {
    .table = "request",
    MAP_COLUMNS(request_columns),
    .is_read_once = true,
    .struct_size = sizeof(Request),
    .to_row = request_to_row,
    .from_row = request_from_row,
    .insert = &insert_requests,
};

static MapSelect read_after = {
    "wallet.request AS t WHERE t.request_id > $1 ORDER BY t.request_id LIMIT $2",
    {NULL, 2, {INT8OID, INT8OID}},
};

/* Range by range: a plain join might walk through all requests to find those in the ranges. */
static MapSelect read_ranges = {
    "unnest($1, $2) AS g (first, last) "
    "CROSS JOIN LATERAL (SELECT * FROM wallet.request AS i "
    "WHERE i.request_id BETWEEN g.first AND g.last ORDER BY i.request_id LIMIT $3) AS t "
    "ORDER BY t.request_id LIMIT $3",
    {NULL, 3, {INT8ARRAYOID, INT8ARRAYOID, INT8OID}},
};

/* Not EXISTS: for that the planner might read a whole table into a hash. */
static Statement find_settled = {
    "SELECT g.request_id::bigint FROM unnest($1) AS g (request_id) WHERE coalesce("
    "(SELECT true FROM wallet.outcome AS o WHERE o.request_id = g.request_id), "
    "(SELECT true FROM wallet.transfer AS t WHERE t.request_id = g.request_id), false)",
    1,
    {INT8ARRAYOID},
    NULL,
};

void
requests_insert(const Request *requests, int count, TimestampTz enqueued_at)
{
	map_insert(&request_layout, requests, count, &enqueued_at);
}

static void
take_room(ReadRoom *room, const Request *request)
{
	room->requests--;
	room->rows -= operation_transfers_max(request);
}

static void
take_request(const RowReader *reader, Request *request, ReadRoom *room)
{
	slot_getallattrs(reader->slot);
	request_from_row(reader->slot->tts_values, reader->slot->tts_isnull, request);
	take_room(room, request);
}

/* Of requests that a statement has found, returns how many there is room for. */
static int
take_found(const Request *requests, int count, ReadRoom *room)
{
	int taken = 0;

	while (taken < count && read_room_is_left(room))
		take_room(room, &requests[taken++]);
	return taken;
}

/* After so many invisible rows behind the last visible one, the reader passes them for good. */
#define INVISIBLE_MAX 1000

/*
 * Reads the rows of the reader's partition from an id on, as far as there is room, and returns how
 * many.  Sets *seen behind many invisible rows at the end, so that the rows of a transaction that
 * has queued many requests and has not committed are passed once and not in each round.
 */
static int
read_rows(RowReader *reader, int64 request_id, ReadRoom *room, Request *requests, int64 *seen)
{
	int count = 0;
	int invisible = 0;
	int64 key;

	reader_seek_from(reader, request_id);
	while (read_room_is_left(room) && reader_step(reader, &key))
	{
		CHECK_FOR_INTERRUPTS();
		invisible++;
		if (reader_take(reader))
		{
			take_request(reader, &requests[count++], room);
			invisible = 0;
		}
	}
	if (read_room_is_left(room) && invisible >= INVISIBLE_MAX)
		*seen = key;
	return count;
}

/* A statement finds so many requests at once, whatever room their legs take. */
#define SELECTED_AT_ONCE 8192

/* Does the rest of requests_read_after() by statements. */
static int
select_after(int64 request_id, ReadRoom *room, Request *requests)
{
	int count = 0;
	int asked;
	int found;

	do
	{
		asked = Min(room->requests, SELECTED_AT_ONCE);
		found = map_select(&request_layout, &read_after,
		                   (Datum[]){Int64GetDatum(request_id), Int64GetDatum(asked)}, true,
		                   requests + count, asked);
		if (found > 0)
			request_id = requests[count + found - 1].request_id;
		count += take_found(requests + count, found, room);
	} while (read_room_is_left(room) && found == asked);
	return count;
}

int
requests_read_after(int64 request_id, ReadRoom *room, Request *requests, int64 *seen)
{
	RowReader reader;
	int count = 0;

	/* Partition by partition. */
	for (int64 next = request_id + 1; read_room_is_left(room) && next < PG_INT64_MAX;
	     next = reader.end)
	{
		if (!reader_open_from(&reader, &request_layout, next, AccessShareLock))
			return count + select_after(next - 1, room, requests + count);
		count += read_rows(&reader, next, room, requests + count, seen);
		reader_close(&reader);
	}
	Assert(MEMBER_RISES(requests, count, Request, request_id));
	return count;
}

/* A walk along the gaps: through the entries of one index after the other. */
typedef struct GapWalk
{
	const Gap *gaps;
	int gap_count;
	int gap;          /* the one that is searched */
	int64 from;       /* the rest of the gap begins here */
	int64 key;        /* of the last entry that was reached */
	bool is_at_entry; /* key is the key of the reader's entry */
	Request *requests;
	int count;
	ReadRoom *room;
} GapWalk;

/* The next gap is reached by so many steps at most; farther away, a search takes less time. */
#define STEPS_MAX 64

/* Goes to the first entry at or behind walk->from.  False at the end of the index. */
static bool
walk_to_gap(GapWalk *walk, RowReader *reader)
{
	for (int i = 0; walk->is_at_entry && i < STEPS_MAX && walk->key < walk->from; i++)
		walk->is_at_entry = reader_step(reader, &walk->key);
	if (walk->is_at_entry && walk->key >= walk->from)
		return true;
	reader_seek_from(reader, walk->from);
	return walk->is_at_entry = reader_step(reader, &walk->key);
}

/* Look into the gaps of one partition. */
static void
walk_partition(GapWalk *walk, RowReader *reader)
{
	walk->is_at_entry = false;
	while (walk->from < reader->end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!walk_to_gap(walk, reader))
			break;
		while (walk->is_at_entry && walk->key <= walk->gaps[walk->gap].last)
		{
			CHECK_FOR_INTERRUPTS();
			if (reader_take(reader))
				take_request(reader, &walk->requests[walk->count++], walk->room);
			if (!read_room_is_left(walk->room))
				return;
			walk->is_at_entry = reader_step(reader, &walk->key);
		}
		if (walk->gaps[walk->gap].last >= reader->end)
			break;
		if (++walk->gap == walk->gap_count)
			return;
		walk->from = walk->gaps[walk->gap].first;
	}
	/* On to the gaps of the next partition, or to the rest of one that reaches into it. */
	while (walk->gap < walk->gap_count && walk->gaps[walk->gap].last < reader->end)
		walk->gap++;
	if (walk->gap < walk->gap_count)
		walk->from = Max(walk->gaps[walk->gap].first, reader->end);
}

/* Does the rest of a walk by a statement. */
static void
walk_by_statement(GapWalk *walk)
{
	int rest = walk->gap_count - walk->gap;
	int64 *firsts = palloc(sizeof(int64) * rest);
	int64 *lasts = palloc(sizeof(int64) * rest);
	int found;

	for (int i = 0; i < rest; i++)
	{
		firsts[i] = Max(walk->gaps[walk->gap + i].first, walk->from);
		lasts[i] = walk->gaps[walk->gap + i].last;
	}
	found = map_select(&request_layout, &read_ranges,
	                   (Datum[]){int64_array(firsts, rest), int64_array(lasts, rest),
	                             Int64GetDatum(walk->room->requests)},
	                   true, walk->requests + walk->count, walk->room->requests);
	walk->count += take_found(walk->requests + walk->count, found, walk->room);
	walk->gap = walk->gap_count;
}

int
requests_read_gaps(const Gap *gaps, int gap_count, ReadRoom *room, Request *requests)
{
	RowReader reader;
	GapWalk walk = {
	    .gaps = gaps,
	    .gap_count = gap_count,
	    .from = gap_count == 0 ? 0 : gaps[0].first,
	    .requests = requests,
	    .room = room,
	};

	Assert(MEMBER_RISES(gaps, gap_count, Gap, first));
	while (walk.gap < gap_count && read_room_is_left(room))
	{
		if (!reader_open_from(&reader, &request_layout, walk.from, AccessShareLock))
		{
			walk_by_statement(&walk);
			break;
		}
		walk_partition(&walk, &reader);
		reader_close(&reader);
	}
	Assert(MEMBER_RISES(requests, walk.count, Request, request_id));
	return walk.count;
}

int
requests_drop_settled(Request *requests, int count)
{
	int left = 0;
	uint64 settled = 0;

	Assert(MEMBER_RISES(requests, count, Request, request_id));
	if (count == 0)
		return 0;
	statement_run(&find_settled, (Datum[]){INT64_MEMBER(requests, count, Request, request_id)},
	              NULL, true);
	for (int i = 0; i < count; i++)
	{
		if (settled < SPI_processed && result_int64(settled, 1) == requests[i].request_id)
			settled++;
		else
			requests[left++] = requests[i];
	}
	Assert(settled == SPI_processed);
	SPI_freetuptable(SPI_tuptable);
	return left;
}
