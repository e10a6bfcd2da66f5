/*
 * journal.c
 *		The table of transfers.
 */
#include "tables/journal.h"

#include "utils/snapmgr.h"

#include "tables/map.h"
#include "tables/rows.h"
#include "tables/wallets.h"

/* Rows of these kinds say what has become of a hold. */
#define SETS_HOLD(t) ((t)->kind == KIND_HOLD || (t)->kind == KIND_HOLD_EXTEND)

/* A row that moves no money stands in the chain of its source alone. */
#define HAS_DESTINATION(t) ((t)->destination_wallet_id > 0 && kind_moves_money((t)->kind))

/* A balance may be 0, and the outside has none. */
#define TRANSFER_COLUMNS(X)                                                                        \
	X(transfer_id, BIGINT, t->transfer_id, false, 0)                                               \
	X(request_id, BIGINT, t->request_id, t->request_id == 0, 0)                                    \
	X(source_wallet_id, BIGINT, t->source_wallet_id, false, 0)                                     \
	X(destination_wallet_id, BIGINT, t->destination_wallet_id, false, 0)                           \
	X(amount, BIGINT, t->amount, false, 0)                                                         \
	X(source_balance, BIGINT, t->source_balance, t->source_wallet_id < 0, 0)                       \
	X(destination_balance, BIGINT, t->destination_balance, !HAS_DESTINATION(t), 0)                 \
	X(source_previous, BIGINT, t->source_previous, t->source_previous == 0, 0)                     \
	X(destination_previous, BIGINT, t->destination_previous, t->destination_previous == 0, 0)      \
	X(posted_at, TIME, t->posted_at, false, 0)                                                     \
	X(kind, SMALLINT, t->kind, false, 0)                                                           \
	X(group_size, SMALLINT, t->group_size, t->group_size == 0, 0)                                  \
	X(overdraw, BOOLEAN, t->overdraw, !t->overdraw, 0)                                             \
	X(held, BIGINT, t->held, t->held == 0, 0)                                                      \
	X(link_id, BIGINT, t->link_id, t->link_id == 0, 0)                                             \
	X(group_id, BIGINT, t->group_id, t->group_id == 0, 0)                                          \
	X(expires_at, TIME, t->expires_at, !SETS_HOLD(t), 0)                                           \
	X(max_capture, BIGINT, t->max_capture, !SETS_HOLD(t), 0)                                       \
	X(metadata, UNREAD_JSONB, metadata == NULL ? (Datum) 0 : *metadata, metadata == NULL, 0)

static const RowColumn transfer_columns[] = {TRANSFER_COLUMNS(MAP_COLUMN)};

static void
transfer_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Transfer *t = from;
	/* An expiry is nobody's call, and so has nobody's metadata. */
	const Datum *metadata = t->kind == KIND_EXPIRY ? NULL : out->given;

	TRANSFER_COLUMNS(MAP_PUT)
}

static void
transfer_from_row(const Datum *values, const bool *nulls, void *to)
{
	Transfer *t = to;

	TRANSFER_COLUMNS(MAP_GET)
}

static Statement insert_transfers;

static const RowLayout transfer_layout = {
    .table = "transfer",
    MAP_COLUMNS(transfer_columns),
    .struct_size = sizeof(Transfer),
    .to_row = transfer_to_row,
    .from_row = transfer_from_row,
    .insert = &insert_transfers,
};

static MapSelect find_transfers = {
    "wallet.transfer AS t WHERE t.transfer_id = ANY ($1) ORDER BY t.transfer_id",
    {NULL, 1, {INT8ARRAYOID}},
};

/* The rows of a group have ids close to each other: the ids of a batch are drawn together. */
static MapSelect find_group = {
    "wallet.transfer AS t WHERE t.transfer_id >= $1 AND t.group_id = $1 "
    "ORDER BY t.transfer_id LIMIT $2",
    {NULL, 2, {INT8OID, INT8OID}},
};

void
journal_insert(const Transfer *transfers, int count, const Datum *metadata)
{
	map_insert(&transfer_layout, transfers, count, metadata);
}

int
journal_find(const int64 *transfer_ids, int count, Transfer *transfers)
{
	return map_find(&transfer_layout, &find_transfers, transfer_ids, count, transfers);
}

int
journal_find_group(int64 group_id, Transfer *transfers, int room)
{
	if (group_id <= 0 || journal_find(&group_id, 1, transfers) == 0 ||
	    transfers[0].group_id != group_id)
		return 0;
	return map_select(
	    &transfer_layout, &find_group,
	    (Datum[]){Int64GetDatum(group_id), Int64GetDatum(Min(transfers[0].group_size, room))}, true,
	    transfers, room);
}

void
journal_get(int64 transfer_id, Transfer *transfer, Currency *currency)
{
	int64 wallet_id;
	Wallet wallet;

	push_new_snapshot();
	if (journal_find(&transfer_id, 1, transfer) == 0)
		elog(ERROR, "there is no transfer " INT64_FORMAT, transfer_id);
	PopActiveSnapshot();
	/* One of the two may be the outside, whose id is negative. */
	wallet_id = Max(transfer->source_wallet_id, transfer->destination_wallet_id);
	if (!wallets_find(wallet_id, &wallet))
		elog(ERROR, "transfer " INT64_FORMAT " is of no wallet", transfer_id);
	*currency = wallet.currency;
}
