/*
 * requests.c
 *		The table wallet.request: what is asked through the queue.
 *
 * The only place that knows its columns.  Rows go in and out without a statement
 * where the table is as we made it.
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
#include "rules/post.h"
#include "tables/rows.h"

/* Columns, from 0. */
enum RequestColumn
{
	REQUEST_ID,
	REQUEST_USER_ID,
	REQUEST_SOURCE_WALLET_ID,
	REQUEST_DESTINATION_WALLET_ID,
	REQUEST_AMOUNT,
	REQUEST_ENQUEUED_AT,
	REQUEST_KIND,
	REQUEST_AMOUNT_SCALE,
	REQUEST_CURRENCY,
	REQUEST_COLUMNS
};

static const RowColumn request_columns[REQUEST_COLUMNS] = {
    [REQUEST_ID] = {"request_id", INT8OID},
    [REQUEST_USER_ID] = {"user_id", INT8OID},
    [REQUEST_SOURCE_WALLET_ID] = {"source_wallet_id", INT8OID},
    [REQUEST_DESTINATION_WALLET_ID] = {"destination_wallet_id", INT8OID},
    [REQUEST_AMOUNT] = {"amount", INT8OID},
    [REQUEST_ENQUEUED_AT] = {"enqueued_at", TIMESTAMPTZOID},
    [REQUEST_KIND] = {"kind", INT2OID},
    [REQUEST_AMOUNT_SCALE] = {"amount_scale", INT2OID},
    [REQUEST_CURRENCY] = {"currency", TEXTOID},
};

static const RowLayout request_layout = {"request", request_columns, REQUEST_COLUMNS,
                                         .is_read_once = true};

/* A scale of -1 says that requests of this kind have no amount. */
static Statement insert_requests = {
    "INSERT INTO wallet.request (request_id, user_id, source_wallet_id, destination_wallet_id, "
    "amount, enqueued_at, kind, amount_scale, currency) "
    "SELECT n.request_id, n.user_id, nullif(n.source, 0), nullif(n.destination, 0), "
    "CASE WHEN n.scale >= 0 THEN n.amount END, $9, n.kind, nullif(n.scale, -1), n.currency "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS n (request_id, user_id, source, destination, "
    "amount, scale, kind, currency)",
    9,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
     INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID},
    NULL,
};

#define SELECT_REQUESTS                                                                            \
	"SELECT r.request_id::bigint, r.kind::bigint, r.user_id::bigint, r.source_wallet_id::bigint, " \
	"r.destination_wallet_id::bigint, r.amount::bigint, r.amount_scale::bigint, r.currency::text"

static Statement read_after = {
    SELECT_REQUESTS
    " FROM wallet.request AS r "
    "WHERE r.request_id > $1 ORDER BY r.request_id LIMIT $2",
    2,
    {INT8OID, INT8OID},
    NULL,
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

/* Range by range: a plain join might walk through all requests to find those in the ranges. */
static Statement read_ranges = {
    SELECT_REQUESTS
    " FROM unnest($1, $2) AS g (first, last) "
    "CROSS JOIN LATERAL (SELECT * FROM wallet.request AS i "
    "WHERE i.request_id BETWEEN g.first AND g.last ORDER BY i.request_id LIMIT $3) AS r "
    "ORDER BY r.request_id LIMIT $3",
    3,
    {INT8ARRAYOID, INT8ARRAYOID, INT8OID},
    NULL,
};

static void
insert_by_statement(const Request *requests, int count, TimestampTz enqueued_at)
{
	int64 *scales = palloc(sizeof(int64) * count);
	int64 *kinds = palloc(sizeof(int64) * count);
	const char **currencies = palloc(sizeof(char *) * count);

	for (int i = 0; i < count; i++)
	{
		scales[i] = kind_infos[requests[i].kind].has_amount ? requests[i].amount.scale : -1;
		kinds[i] = requests[i].kind;
		currencies[i] = requests[i].currency;
	}
	statement_run(&insert_requests,
	              (Datum[]){
	                  INT64_MEMBER(requests, count, Request, request_id),
	                  INT64_MEMBER(requests, count, Request, user_id),
	                  INT64_MEMBER(requests, count, Request, source_wallet_id),
	                  INT64_MEMBER(requests, count, Request, destination_wallet_id),
	                  INT64_MEMBER(requests, count, Request, amount.digits),
	                  int64_array(scales, count),
	                  int64_array(kinds, count),
	                  text_array(currencies, count),
	                  TimestampTzGetDatum(enqueued_at),
	              },
	              NULL, false);
	result_expect(count, "wallet.request");
}

static void
request_to_slot(const Request *request, TimestampTz enqueued_at, Datum no_currency,
                TupleTableSlot *slot)
{
	bool has_amount = kind_infos[request->kind].has_amount;

	slot_put_int64(slot, REQUEST_ID, request->request_id);
	slot_put_int64(slot, REQUEST_USER_ID, request->user_id);
	slot_put_int64(slot, REQUEST_SOURCE_WALLET_ID, request->source_wallet_id);
	slot_put_int64(slot, REQUEST_DESTINATION_WALLET_ID, request->destination_wallet_id);
	slot->tts_values[REQUEST_AMOUNT] = Int64GetDatum(request->amount.digits);
	slot->tts_isnull[REQUEST_AMOUNT] = !has_amount;
	slot->tts_values[REQUEST_ENQUEUED_AT] = TimestampTzGetDatum(enqueued_at);
	slot->tts_values[REQUEST_KIND] = Int16GetDatum(request->kind);
	slot->tts_values[REQUEST_AMOUNT_SCALE] = Int16GetDatum(request->amount.scale);
	slot->tts_isnull[REQUEST_AMOUNT_SCALE] = !has_amount;
	slot->tts_values[REQUEST_CURRENCY] =
	    request->currency[0] == '\0' ? no_currency : CStringGetTextDatum(request->currency);
}

void
requests_insert(const Request *requests, int count, TimestampTz enqueued_at)
{
	RowWriter writer;
	Datum no_currency = CStringGetTextDatum("");

	Assert(count > 0 && MEMBER_RISES(requests, count, Request, request_id));
	if (!writer_open_for_keys(&writer, &request_layout, requests[0].request_id,
	                          requests[count - 1].request_id))
	{
		insert_by_statement(requests, count, enqueued_at);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);

		CHECK_FOR_INTERRUPTS();
		request_to_slot(&requests[i], enqueued_at, no_currency, slot);
	}
	writer_close(&writer);
}

static Request
request_from_slot(TupleTableSlot *slot)
{
	Request request;

	slot_getallattrs(slot);
	request = (Request){
	    .request_id = slot_int64(slot, REQUEST_ID),
	    .kind = DatumGetInt16(slot->tts_values[REQUEST_KIND]),
	    .user_id = slot_int64(slot, REQUEST_USER_ID),
	    .source_wallet_id = slot_int64(slot, REQUEST_SOURCE_WALLET_ID),
	    .destination_wallet_id = slot_int64(slot, REQUEST_DESTINATION_WALLET_ID),
	    .amount = {slot_int64(slot, REQUEST_AMOUNT),
	               slot->tts_isnull[REQUEST_AMOUNT_SCALE]
	                   ? 0
	                   : DatumGetInt16(slot->tts_values[REQUEST_AMOUNT_SCALE])},
	};
	text_to_cstring_buffer(DatumGetTextPP(slot->tts_values[REQUEST_CURRENCY]), request.currency,
	                       sizeof(request.currency));
	return request;
}

static Request
request_from_result(uint64 row)
{
	Request request = {
	    .request_id = result_int64(row, 1),
	    .kind = (RequestKind) result_int64(row, 2),
	    .user_id = result_int64(row, 3),
	    .source_wallet_id = result_int64(row, 4),
	    .destination_wallet_id = result_int64(row, 5),
	    .amount = {result_int64(row, 6), (int) result_int64(row, 7)},
	};

	strlcpy(request.currency, result_text(row, 8), sizeof(request.currency));
	return request;
}

/* Run a statement, and take what it returns.  Returns how many. */
static int
read_by_statement(Statement *statement, Datum *arguments, Request *requests)
{
	int count;

	statement_run(statement, arguments, NULL, true);
	count = (int) SPI_processed;
	for (int row = 0; row < count; row++)
	{
		CHECK_FOR_INTERRUPTS();
		requests[row] = request_from_result(row);
	}
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* Rows behind the last visible one that it is worth to pass once and for all. */
#define INVISIBLE_MAX 1000

/*
 * The reader's rows from an id on, as many as there is room for.  Returns how many.  Whoever has
 * queued very much, and not committed, is passed once and not in each round.
 */
static int
read_rows(RowReader *reader, int64 request_id, int count_max, Request *requests, int64 *seen)
{
	int count = 0;
	int invisible = 0;
	int64 key;

	reader_seek_from(reader, request_id);
	while (count < count_max && reader_step(reader, &key))
	{
		CHECK_FOR_INTERRUPTS();
		invisible++;
		if (reader_take(reader))
		{
			requests[count++] = request_from_slot(reader->slot);
			invisible = 0;
		}
	}
	if (count < count_max && invisible >= INVISIBLE_MAX)
		*seen = key;
	return count;
}

int
requests_read_after(int64 request_id, int count_max, Request *requests, int64 *seen)
{
	RowReader reader;
	int count = 0;

	/* Partition by partition. */
	for (int64 next = request_id + 1; count < count_max && next < PG_INT64_MAX; next = reader.end)
	{
		if (!reader_open_from(&reader, &request_layout, next, AccessShareLock))
			return count + read_by_statement(
			                   &read_after,
			                   (Datum[]){Int64GetDatum(next - 1), Int64GetDatum(count_max - count)},
			                   requests + count);
		count += read_rows(&reader, next, count_max - count, requests + count, seen);
		reader_close(&reader);
	}
	return count;
}

/* A walk along the gaps: through the entries of one index after the other. */
typedef struct GapWalk
{
	const Gap *gaps;
	int gap_count;
	int gap;    /* the present one */
	int64 from; /* it is looked into from here on */
	int64 key;  /* of the entry that was come to last */
	bool is_at_entry;
	Request *requests;
	int count;
	int count_max;
} GapWalk;

/* Between two gaps that are no farther apart, it takes less time to walk on than to search. */
#define STEPS_MAX 64

/* Come to the first entry from the present gap's beginning on; false at the end of the index. */
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
				walk->requests[walk->count++] = request_from_slot(reader->slot);
			if (walk->count == walk->count_max)
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

/* The rest of a walk, where the table is not as we have made it. */
static void
walk_by_statement(GapWalk *walk)
{
	int rest = walk->gap_count - walk->gap;
	int64 *firsts = palloc(sizeof(int64) * rest);
	int64 *lasts = palloc(sizeof(int64) * rest);

	for (int i = 0; i < rest; i++)
	{
		firsts[i] = Max(walk->gaps[walk->gap + i].first, walk->from);
		lasts[i] = walk->gaps[walk->gap + i].last;
	}
	walk->count += read_by_statement(&read_ranges,
	                                 (Datum[]){int64_array(firsts, rest), int64_array(lasts, rest),
	                                           Int64GetDatum(walk->count_max - walk->count)},
	                                 walk->requests + walk->count);
	walk->gap = walk->gap_count;
}

int
requests_read_gaps(const Gap *gaps, int gap_count, int count_max, Request *requests)
{
	RowReader reader;
	GapWalk walk = {
	    .gaps = gaps,
	    .gap_count = gap_count,
	    .from = gap_count == 0 ? 0 : gaps[0].first,
	    .requests = requests,
	    .count_max = count_max,
	};

	while (walk.gap < gap_count && walk.count < count_max)
	{
		if (!reader_open_from(&reader, &request_layout, walk.from, AccessShareLock))
		{
			walk_by_statement(&walk);
			break;
		}
		walk_partition(&walk, &reader);
		reader_close(&reader);
	}
	return walk.count;
}

int
requests_drop_settled(Request *requests, int count)
{
	int left = 0;
	uint64 settled = 0;

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
	SPI_freetuptable(SPI_tuptable);
	return left;
}
