/*
 * named.c
 *		Holds that requests name by the handshake of the request that makes the hold.
 *
 * A handshake names a request and the user who asked for it.  The id of the request can be opened
 * at once; whether the handshake is genuine shows when that request has been read.  Nothing here
 * takes a lock: requests and their outcomes never change.
 */
#include "queue/named.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "base/arrays.h"
#include "base/result.h"
#include "base/statement.h"
#include "queue/handshake.h"

/* What has become of requests: the user, the kind, whether it is settled, and its hold or 0. */
static Statement find_named = {
    "SELECT a.position::bigint, r.user_id::bigint, r.kind::bigint, "
    "(t.transfer_id IS NOT NULL OR coalesce((SELECT true FROM wallet.outcome AS o "
    "WHERE o.request_id = r.request_id), false))::integer::bigint, "
    "CASE WHEN t.kind = r.kind THEN t.transfer_id::bigint ELSE 0::bigint END "
    "FROM unnest($1) WITH ORDINALITY AS a (request_id, position) "
    "JOIN wallet.request AS r ON r.request_id = a.request_id "
    "LEFT JOIN wallet.transfer AS t ON t.request_id = r.request_id",
    1,
    {INT8ARRAYOID},
    NULL,
};

static void
set_hold(Request *request, int64 hold_id)
{
	request->link_id = hold_id > 0 ? hold_id : -1;
	request->is_unresolved = false;
}

void
named_open(Request *requests, int count)
{
	HandshakeSealer *sealer = NULL;

	for (int i = 0; i < count; i++)
	{
		Request *request = &requests[i];

		if (!request->is_unresolved || request->link_id != 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (sealer == NULL)
			sealer = handshake_sealer_make();
		request->link_id = handshake_request_id(sealer, request->hold_handshake);
		/* Nobody has seen the handshake of a request before it was made. */
		if (request->link_id <= 0 || request->link_id >= request->request_id)
			set_hold(request, 0);
	}
}

/* May a transaction that is still open bring this request? */
static bool
may_come(const Gaps *gaps, int64 request_id)
{
	int low = 0;
	int high = gaps == NULL ? -1 : gaps_count(gaps) - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;
		const Gap *gap = gaps_get(gaps, middle);

		if (request_id < gap->first)
			high = middle - 1;
		else if (request_id > gap->last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* One that is settled has its hold, or none; one that is not keeps the request waiting. */
static void
take_named(HandshakeSealer *sealer, Request *request, uint64 row)
{
	int64 user_id = result_int64(row, 2);
	bool is_settled = result_int64(row, 4) != 0;

	if (result_int64(row, 3) != KIND_HOLD ||
	    !handshake_names(sealer, request->hold_handshake, request->link_id, user_id, KIND_HOLD))
		set_hold(request, 0);
	else if (is_settled)
		set_hold(request, result_int64(row, 5));
}

void
named_find(Request *requests, int count, const Gaps *gaps)
{
	Request **naming;
	int64 *ids;
	bool *is_there;
	HandshakeSealer *sealer;
	int naming_count = 0;

	if (!named_are_unresolved(requests, count))
		return;
	naming = palloc(sizeof(Request *) * count);
	ids = palloc(sizeof(int64) * count);
	is_there = palloc0(sizeof(bool) * count);
	for (int i = 0; i < count; i++)
	{
		if (!requests[i].is_unresolved)
			continue;
		ids[naming_count] = requests[i].link_id;
		naming[naming_count++] = &requests[i];
	}
	sealer = handshake_sealer_make();
	statement_run(&find_named, (Datum[]){int64_array(ids, naming_count)}, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int i = (int) result_int64(row, 1) - 1;

		CHECK_FOR_INTERRUPTS();
		is_there[i] = true;
		take_named(sealer, naming[i], row);
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < naming_count; i++)
	{
		if (!is_there[i] && !may_come(gaps, naming[i]->link_id))
			set_hold(naming[i], 0);
	}
}
