/*
 * lookup.c
 *		From a handshake to how its request stands.
 *
 * Opening a handshake needs no table, and what was not sealed with our key for
 * this kind and user never reaches one: it is unknown, whatever the reason.
 */
#include "base/version.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/arrays.h"
#include "base/result.h"
#include "base/statement.h"
#include "base/wake.h"
#include "queue/handshake.h"
#include "rules/codes.h"
#include "rules/operation.h"

PG_FUNCTION_INFO_V1(wallet_lookup_many);

/*
 * The columns are those of wallet.answer.  A request that has an outcome shows the wallet of its
 * outcome, if there is one: what the outcome says of the wallet (a queued read), or else the
 * wallet as it is now (a new wallet).  A request that has no outcome shows its transfer.  Such a
 * transfer moves what was asked for, so the request has the amount, and the currency need not be
 * looked for; where the request has more to say (extra), find_details has the amount.  Users who
 * have a wallet already are told which one.
 */
static Statement find_answers = {
    "SELECT a.position::integer, "
    "CASE WHEN r.request_id IS NULL THEN 'unknown' WHEN code.name IS NULL THEN 'queued' "
    "WHEN code.name = 'processed' THEN 'processed' ELSE 'rejected' END, "
    "code.name, wallet.code_message(code.name), w.wallet_id::bigint, "
    "CASE WHEN o.updated_at IS NULL THEN w.status::text ELSE o.status::text END, "
    "wallet.amount_text(CASE WHEN t.transfer_id IS NOT NULL "
    "THEN CASE WHEN r.extra::bytea = '' THEN r.amount::bigint END "
    "WHEN o.updated_at IS NULL THEN w.balance::bigint ELSE o.balance::bigint END, "
    "CASE WHEN t.transfer_id IS NOT NULL THEN r.amount_scale::integer "
    "ELSE c.minor_digits::integer END), "
    "w.currency::text, wallet.time_text(w.created_at::timestamptz), "
    "wallet.time_text(coalesce(o.updated_at::timestamptz, w.updated_at::timestamptz)), "
    "t.transfer_id::bigint, nullif(greatest(t.source_wallet_id::bigint, 0), 0), "
    "nullif(greatest(t.destination_wallet_id::bigint, 0), 0), "
    "wallet.kind_name(r.kind::smallint), t.link_id::bigint, t.group_id::bigint, "
    "o.leg::integer, NULL::jsonb, "
    "wallet.amount_text(h.held, c.minor_digits::integer), "
    "wallet.amount_text(h.floor, c.minor_digits::integer), "
    "wallet.amount_text(nullif(h.ceiling, 9223372036854775807), c.minor_digits::integer), "
    "wallet.number_text(wallet.available(h.balance, h.held, h.floor, c.minor_digits::integer)), "
    "CASE WHEN r.extra::bytea <> '' THEN wallet.request_extra(r.extra::bytea) ->> 'amount_mode' "
    "END, NULL::text, NULL::bigint[], NULL::bigint[] "
    "FROM unnest($1) WITH ORDINALITY AS a (request_id, position) "
    "LEFT JOIN wallet.request AS r ON r.request_id = a.request_id "
    "LEFT JOIN wallet.outcome AS o ON o.request_id = r.request_id "
    "LEFT JOIN wallet.transfer AS t ON t.request_id = r.request_id AND o.request_id IS NULL "
    "LEFT JOIN wallet.wallet AS w ON w.wallet_id = o.wallet_id "
    "LEFT JOIN wallet.currency AS c ON c.code = w.currency "
    "LEFT JOIN LATERAL (SELECT w.balance::bigint, w.floor::bigint, w.ceiling::bigint, "
    "CASE WHEN w.held::bigint = 0 THEN 0 ELSE wallet.held(w.wallet_id::bigint, w.held::bigint, "
    "w.updated_at::timestamptz) END OFFSET 0) AS h (balance, floor, ceiling, held) "
    "ON o.updated_at IS NULL AND w.wallet_id IS NOT NULL "
    "CROSS JOIN LATERAL (SELECT CASE WHEN r.request_id IS NULL THEN "
    "CASE WHEN a.request_id > 0 AND a.request_id < wallet.expired_below() "
    "THEN 'handshake_expired' ELSE 'handshake_unknown' END "
    "WHEN t.transfer_id IS NOT NULL THEN 'processed' ELSE o.code::text END) AS code (name) "
    "ORDER BY a.position",
    1,
    {INT8ARRAYOID},
    NULL,
};

/* The request that each triple of kind, user and handshake names, or 0; no kind is any kind. */
static int64 *
open_handshakes(FunctionCallInfo fcinfo, int *count)
{
	Datum *kinds, *users, *handshakes;
	bool *kind_nulls, *user_nulls, *handshake_nulls;
	int user_count, handshake_count;
	int64 *request_ids;
	HandshakeSealer *sealer;
	RequestKind kind_before = KIND_TRANSACTION;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &kinds,
	                  &kind_nulls, count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
	                  TYPALIGN_DOUBLE, &users, &user_nulls, &user_count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &handshakes,
	                  &handshake_nulls, &handshake_count);
	if (user_count != *count || handshake_count != *count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		                errmsg("the arrays must have the same number of elements")));

	request_ids = palloc0(sizeof(int64) * Max(*count, 1));
	sealer = handshake_sealer_make();
	for (int i = 0; i < *count; i++)
	{
		RequestKind kind;
		text *handshake;

		CHECK_FOR_INTERRUPTS();
		if (user_nulls[i] || handshake_nulls[i])
			continue;
		handshake = DatumGetTextPP(handshakes[i]);
		if (kind_nulls[i])
			request_ids[i] =
			    handshake_open_any(sealer, &kind_before, DatumGetInt64(users[i]),
			                       VARDATA_ANY(handshake), VARSIZE_ANY_EXHDR(handshake));
		else if (kind_from_name(TextDatumGetCString(kinds[i]), &kind))
			request_ids[i] = handshake_open(sealer, kind, DatumGetInt64(users[i]),
			                                VARDATA_ANY(handshake), VARSIZE_ANY_EXHDR(handshake));
	}
	return request_ids;
}

/* The wallet that the user of a request has. */
static Statement find_wallet = {
    "SELECT w.wallet_id::bigint FROM wallet.request AS r "
    "JOIN wallet.wallet AS w ON w.user_id = r.user_id WHERE r.request_id = $1",
    1,
    {INT8OID},
    NULL,
};

/*
 * The amounts of transfers, in the order of their ids; and of those that begin a group, the rows of
 * the group in their order, whose ids follow the id of the first.
 */
static Statement find_details = {
    "SELECT CASE WHEN t.group_size IS NULL "
    "THEN wallet.amount_text(t.amount::bigint, c.minor_digits::integer) END, "
    "CASE WHEN t.group_size IS NOT NULL THEN (SELECT jsonb_agg(jsonb_build_object("
    "'transfer_id', g.transfer_id::bigint, 'kind', wallet.kind_name(g.kind::smallint), "
    "'source_wallet_id', nullif(greatest(g.source_wallet_id::bigint, 0), 0), "
    "'destination_wallet_id', nullif(greatest(g.destination_wallet_id::bigint, 0), 0), "
    "'amount', wallet.amount_text(g.amount::bigint, gc.minor_digits::integer)::numeric, "
    "'currency', gc.code::text, 'link_id', g.link_id::bigint) ORDER BY g.transfer_id) "
    "FROM (SELECT i.* FROM wallet.transfer AS i WHERE i.transfer_id >= t.transfer_id "
    "AND i.group_id = t.transfer_id ORDER BY i.transfer_id LIMIT t.group_size) AS g "
    "JOIN wallet.wallet AS gw ON gw.wallet_id = greatest(g.source_wallet_id, "
    "g.destination_wallet_id) JOIN wallet.currency AS gc ON gc.code = gw.currency) END "
    "FROM unnest($1) WITH ORDINALITY AS a (transfer_id, position) "
    "JOIN wallet.transfer AS t ON t.transfer_id = a.transfer_id "
    "JOIN wallet.wallet AS w ON w.wallet_id = greatest(t.source_wallet_id, "
    "t.destination_wallet_id) JOIN wallet.currency AS c ON c.code = w.currency "
    "ORDER BY a.position",
    1,
    {INT8ARRAYOID},
    NULL,
};

/*
 * What links to transfers, in the order of their ids.  A row of a group has it among its members,
 * where there is something to say: $2 has the rows of those that begin a group.
 */
static Statement find_links = {
    "SELECT l.reversed, l.reversals, l.links, "
    "(SELECT jsonb_agg(g.value || jsonb_strip_nulls(jsonb_build_object("
    "'reversed', CASE WHEN m.reversals IS NOT NULL THEN m.reversed::numeric END, "
    "'reversals', to_jsonb(m.reversals), 'links', to_jsonb(m.links))) ORDER BY g.position) "
    "FROM LATERAL jsonb_array_elements(a.rows) WITH ORDINALITY AS g (value, position) "
    "CROSS JOIN LATERAL wallet.links((g.value ->> 'transfer_id')::bigint) AS m) "
    "FROM unnest($1, $2) WITH ORDINALITY AS a (transfer_id, rows, position) "
    "LEFT JOIN LATERAL wallet.links(CASE WHEN a.rows IS NULL THEN a.transfer_id END) AS l ON true "
    "ORDER BY a.position",
    2,
    {INT8ARRAYOID, JSONBARRAYOID},
    NULL,
};

/* Columns of find_answers. */
#define ANSWER_CODE 3
#define ANSWER_MESSAGE 4
#define ANSWER_AMOUNT 7
#define ANSWER_TRANSFER_ID 11
#define ANSWER_SOURCE_WALLET_ID 12
#define ANSWER_DESTINATION_WALLET_ID 13
#define ANSWER_ROWS 18
#define ANSWER_REVERSED 24
#define ANSWER_REVERSALS 25
#define ANSWER_LINKS 26

/* Has the user been refused another wallet?  *is_queued: the request has no outcome yet. */
static bool
has_wallet_already(HeapTuple answer, TupleDesc columns, bool *is_queued)
{
	Datum code = heap_getattr(answer, ANSWER_CODE, columns, is_queued);
	const char *name = wallet_codes[CODE_WALLET_EXISTS].name;

	return !*is_queued && VARSIZE_ANY_EXHDR(DatumGetPointer(code)) == strlen(name) &&
	       memcmp(VARDATA_ANY(DatumGetPointer(code)), name, strlen(name)) == 0;
}

/* An answer to who has a wallet already, with a message that names it.  A statement of its own, so
 * that all others take no longer for it. */
static HeapTuple
tell_wallet(HeapTuple answer, TupleDesc columns, int64 request_id)
{
	Datum argument = Int64GetDatum(request_id);
	int column = ANSWER_MESSAGE;
	bool is_null = false;
	Datum message;

	statement_run(&find_wallet, &argument, NULL, false);
	if (SPI_processed == 0)
		return answer;
	message = CStringGetTextDatum(psprintf(
	    "%s: wallet " INT64_FORMAT, wallet_codes[CODE_WALLET_EXISTS].message, result_int64(0, 1)));
	return heap_modify_tuple_by_cols(answer, columns, 1, &column, &message, &is_null);
}

/* Is the answer about a transfer whose amount is not known yet? */
static bool
lacks_details(HeapTuple answer, TupleDesc columns)
{
	return !heap_attisnull(answer, ANSWER_TRANSFER_ID, columns) &&
	       heap_attisnull(answer, ANSWER_AMOUNT, columns);
}

/* An answer with its details.  A group has rows, and no source, destination and amount itself. */
static HeapTuple
tell_details(HeapTuple answer, TupleDesc columns, HeapTuple details, TupleDesc detail_columns)
{
	int single[] = {ANSWER_AMOUNT};
	int group[] = {ANSWER_ROWS, ANSWER_SOURCE_WALLET_ID, ANSWER_DESTINATION_WALLET_ID};
	bool is_null;
	Datum values[lengthof(group)] = {0};
	bool nulls[lengthof(group)] = {false, true, true};

	values[0] = heap_getattr(details, 2, detail_columns, &is_null);
	if (!is_null)
		return heap_modify_tuple_by_cols(answer, columns, lengthof(group), group, values, nulls);
	values[0] = heap_getattr(details, 1, detail_columns, &nulls[0]);
	return heap_modify_tuple_by_cols(answer, columns, lengthof(single), single, values, nulls);
}

/*
 * Completes the answers about transfers that moved another amount than the request names, or that
 * are the first of a group.  A statement of its own, so that all others take no longer for it.
 */
static void
add_details(SPITupleTable *answers, uint64 count)
{
	TupleDesc columns = answers->tupdesc;
	int64 *transfer_ids = NULL;
	uint64 *rows = NULL;
	int found = 0;
	Datum argument;

	for (uint64 row = 0; row < count; row++)
	{
		bool is_null;

		CHECK_FOR_INTERRUPTS();
		if (!lacks_details(answers->vals[row], columns))
			continue;
		if (rows == NULL)
		{
			rows = palloc(sizeof(uint64) * count);
			transfer_ids = palloc(sizeof(int64) * count);
		}
		rows[found] = row;
		transfer_ids[found++] =
		    DatumGetInt64(heap_getattr(answers->vals[row], ANSWER_TRANSFER_ID, columns, &is_null));
	}
	if (found == 0)
		return;
	argument = int64_array(transfer_ids, found);
	statement_run(&find_details, &argument, NULL, false);
	if (SPI_processed != (uint64) found)
		elog(ERROR, "transfers of requests are missing in wallet.transfer");
	for (int i = 0; i < found; i++)
		answers->vals[rows[i]] = tell_details(answers->vals[rows[i]], columns,
		                                      SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
}

/* For which of the requests links are looked for; NULL: for none. */
static bool *
read_include_links(FunctionCallInfo fcinfo, int count)
{
	Datum *values;
	bool *nulls;
	bool *asked;
	int asked_count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), BOOLOID, sizeof(bool), true, TYPALIGN_CHAR, &values,
	                  &nulls, &asked_count);
	if (asked_count == 0)
		return NULL;
	if (asked_count != count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		                errmsg("the arrays must have the same number of elements")));
	asked = palloc(sizeof(bool) * count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		asked[i] = !nulls[i] && DatumGetBool(values[i]);
	}
	return asked;
}

/* An answer with its links, from a row of find_links. */
static HeapTuple
tell_links(HeapTuple answer, TupleDesc columns, HeapTuple links, TupleDesc link_columns)
{
	int told[] = {ANSWER_REVERSED, ANSWER_REVERSALS, ANSWER_LINKS, ANSWER_ROWS};
	Datum values[lengthof(told)];
	bool nulls[lengthof(told)];

	heap_deform_tuple(links, link_columns, values, nulls);
	return heap_modify_tuple_by_cols(answer, columns, lengthof(told), told, values, nulls);
}

/*
 * Tells of the answers for which that is asked what links to their transfers, or to the rows of
 * their groups.  A statement of its own, so that all others take no longer for it.
 */
static void
add_links(SPITupleTable *answers, uint64 count, const bool *asked)
{
	TupleDesc columns = answers->tupdesc;
	uint64 *rows = palloc(sizeof(uint64) * count);
	int64 *transfer_ids = palloc(sizeof(int64) * count);
	Datum *groups = palloc(sizeof(Datum) * count);
	bool *no_group = palloc(sizeof(bool) * count);
	int first = 1;
	int found = 0;
	Datum arguments[2];

	for (uint64 row = 0; row < count; row++)
	{
		HeapTuple answer = answers->vals[row];
		bool is_null;
		Datum transfer_id = heap_getattr(answer, ANSWER_TRANSFER_ID, columns, &is_null);

		CHECK_FOR_INTERRUPTS();
		if (is_null || !asked[row])
			continue;
		rows[found] = row;
		transfer_ids[found] = DatumGetInt64(transfer_id);
		groups[found] = heap_getattr(answer, ANSWER_ROWS, columns, &no_group[found]);
		found++;
	}
	if (found == 0)
		return;
	arguments[0] = int64_array(transfer_ids, found);
	arguments[1] = PointerGetDatum(
	    construct_md_array(groups, no_group, 1, &found, &first, JSONBOID, -1, false, TYPALIGN_INT));
	statement_run(&find_links, arguments, NULL, false);
	Assert(SPI_processed == (uint64) found);
	for (int i = 0; i < found; i++)
		answers->vals[rows[i]] = tell_links(answers->vals[rows[i]], columns, SPI_tuptable->vals[i],
		                                    SPI_tuptable->tupdesc);
}

/* Hand over the rows of find_answers, as rows of wallet.answer. */
static void
put_answers(ReturnSetInfo *result, const int64 *request_ids, const bool *include_links)
{
	SPITupleTable *answers = SPI_tuptable;
	uint64 count = SPI_processed;
	TupleDesc columns = answers->tupdesc;
	Oid *types = palloc(sizeof(Oid) * columns->natts);
	Datum *values = palloc(sizeof(Datum) * columns->natts);
	bool *nulls = palloc(sizeof(bool) * columns->natts);
	bool is_as_made;
	bool is_queued;
	bool is_awaited = false;

	add_details(answers, count);
	if (include_links != NULL)
		add_links(answers, count, include_links);
	for (int i = 0; i < columns->natts; i++)
		types[i] = TupleDescAttr(columns, i)->atttypid;
	is_as_made = result_is_as_made(result->setDesc, types, columns->natts);
	for (uint64 row = 0; row < count; row++)
	{
		HeapTuple answer = answers->vals[row];

		CHECK_FOR_INTERRUPTS();
		if (has_wallet_already(answer, columns, &is_queued))
			answer = tell_wallet(answer, columns, request_ids[row]);
		is_awaited = is_awaited || is_queued;
		if (!is_as_made)
		{
			heap_deform_tuple(answer, columns, values, nulls);
			answer = result_row(result->setDesc, types, columns->natts, values, nulls);
		}
		tuplestore_puttuple(result->setResult, answer);
	}
	if (is_awaited && wake_hook != NULL)
		wake_hook(WAKE_AWAITED);
}

/*
 * wallet_lookup_many(kinds text[], user_ids bigint[], handshake_ids text[],
 *		include_links boolean[]) → setof wallet.answer
 *
 * A kind that is null is any kind.  include_links is empty, or has an element for each handshake:
 * whether the answer tells what links to its transfer.
 * A handshake that is not known has the state unknown and the code handshake_unknown; or
 * handshake_expired, when it names a request of this kind and user that is no longer kept.
 */
Datum
wallet_lookup_many(PG_FUNCTION_ARGS)
{
	int count;
	int64 *request_ids;
	bool *include_links;
	Datum argument;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	request_ids = open_handshakes(fcinfo, &count);
	include_links = read_include_links(fcinfo, count);
	argument = int64_array(request_ids, count);
	statement_run(&find_answers, &argument, NULL, false);
	put_answers((ReturnSetInfo *) fcinfo->resultinfo, request_ids, include_links);
	SPI_finish();
	return (Datum) 0;
}
