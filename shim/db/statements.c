/*
 * statements.c
 *		The prepared statements, and their parameters in PostgreSQL's binary formats.
 */
#include "db/statements.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define OID_BYTEA 17
#define OID_TEXT 25
#define OID_INT8 20
#define OID_INT4 23
#define OID_BYTEA_ARRAY 1001
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016

#define WRITES (1u << DB_WRITES)
#define READS (1u << DB_READS)

#define ENQUEUE_COLUMNS "SELECT ordinal, handshake_id, code, message FROM "
#define LOOKUP_COLUMNS                                                                             \
	"SELECT ordinal, state, code, message, wallet_id, wallet_status, amount, currency, "           \
	"created_at, updated_at, transfer_id, source_wallet_id, destination_wallet_id FROM "
#define HISTORY_COLUMNS                                                                            \
	"SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance, "         \
	"posted_at FROM "
#define KEY_COLUMNS                                                                                \
	"SELECT ordinal, pg_catalog.array_to_string(scopes, ' '), user_id, expires_in_ms, max_amount " \
	"FROM "
#define READY_COLUMNS "SELECT worker_alive, detail, pg_catalog.pg_is_in_recovery() FROM "

/* One prepared statement: columns, the schema and a dot, call. */
typedef struct DbStatement
{
	const char *name;
	unsigned roles; /* whose connections prepare it */
	const char *columns;
	const char *call;
	int parameter_count;
	Oid types[DB_PARAMETERS_MAX];
} DbStatement;

/* clang-format off */
static const DbStatement statements[] = {
	[DB_ENQUEUE] = {"enqueue", WRITES, ENQUEUE_COLUMNS, "wallet_enqueue_utf8($1, $2, $3)",
		3, {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY}},
	[DB_BULK] = {"bulk", WRITES, ENQUEUE_COLUMNS, "wallet_enqueue_utf8($1, $2, $3) ORDER BY ordinal",
		3, {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY}},
	[DB_LOOKUP] = {"lookup", READS, LOOKUP_COLUMNS, "wallet_lookup_many($1, $2, $3)",
		3, {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY}},
	[DB_READ] = {"read", READS, LOOKUP_COLUMNS, "wallet_read_many($1, $2, $3)",
		3, {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY}},
	[DB_HISTORY] = {"history", READS, HISTORY_COLUMNS, "wallet_history_page($1, $2, $3, $4)",
		4, {OID_INT8, OID_INT8, OID_INT8, OID_INT4}},
	[DB_KEY] = {"key", WRITES | READS, KEY_COLUMNS, "wallet_api_key_check_many($1)",
		1, {OID_BYTEA_ARRAY}},
	[DB_READY] = {"ready", READS, READY_COLUMNS, "wallet_ready()",
		0, {0}},
};
/* clang-format on */

_Static_assert(sizeof(statements) / sizeof(statements[0]) == DB_FUNCTION_COUNT,
               "every function has a statement");

const char *
statement_name(DbFunction function)
{
	assert(function < DB_FUNCTION_COUNT);
	return statements[function].name;
}

bool
statements_prepare(Db *db, const char *schema)
{
	char sql[1024];
	bool sent = true;

	/* DB_KEY is the first: both roles have it, so both complain of it where all are missing. */
	for (int n = 0; sent && n < DB_FUNCTION_COUNT; n++)
	{
		int i = (DB_KEY + n) % DB_FUNCTION_COUNT;
		const DbStatement *s = &statements[i];

		if (!(s->roles & 1u << db->role))
			continue;
		snprintf(sql, sizeof(sql), "%s%s.%s", s->columns, schema, s->call);
		sent = PQsendPrepare(db->connection, s->name, sql, s->parameter_count, s->types) == 1;
	}
	return sent;
}

/* Writes an array's dimensions, has-nulls flag, element type, size and lower bound. */
static void
put_array_head(Buffer *out, Oid type, int count)
{
	buffer_put_int32(out, 1);
	buffer_put_int32(out, 1);
	buffer_put_int32(out, (int32_t) type);
	buffer_put_int32(out, count);
	buffer_put_int32(out, 1);
}

/* Writes an element; NULL is SQL's null. */
static void
put_text(Buffer *out, const char *text, size_t length)
{
	buffer_put_int32(out, text ? (int32_t) length : -1);
	buffer_put(out, text, length);
}

/* Writes an id; 0 is SQL's null. */
static void
put_id(Buffer *out, int64_t id)
{
	buffer_put_int32(out, id != 0 ? (int32_t) sizeof(id) : -1);
	if (id != 0)
		buffer_put_int64(out, id);
}

static const char *
item_text(const DbItem *item, int parameter, size_t *length)
{
	const char *text;

	if (parameter == 0)
		text = item->kind;
	else if (item->function == DB_ENQUEUE && parameter == 1)
	{
		*length = item->payload_length;
		return item->payload;
	}
	else
		text = item->function == DB_ENQUEUE ? item->idempotency_key : item->handshake_id;
	*length = text ? strlen(text) : 0;
	return text;
}

/*
 * Writes one parameter of all items.  What clients have sent to be stored goes as bytes: the
 * server would convert text, and one text that it cannot convert would fail the statement for all.
 */
static void
put_array(const DbBatch *batch, int parameter, Buffer *out)
{
	bool is_text = parameter == 0 || batch->function == DB_ENQUEUE ||
	               (batch->function == DB_LOOKUP && parameter == 2);
	bool is_bytes = batch->function == DB_ENQUEUE && parameter > 0;

	put_array_head(out, !is_text ? OID_INT8 : is_bytes ? OID_BYTEA : OID_TEXT, batch->item_count);
	for (int i = 0; i < batch->item_count; i++)
	{
		const DbItem *item = batch->items[i];
		size_t length = 0;

		if (is_text)
		{
			const char *text = item_text(item, parameter, &length);

			put_text(out, text, length);
			continue;
		}
		put_id(out, parameter == 1 ? item->user_id : item->id);
	}
}

/* Writes the parameters of one item with many payloads; without a key all keys are SQL's null. */
static int
put_bulk(const DbItem *item, Buffer *parameters)
{
	size_t kind_length = strlen(item->kind);
	char key[300];

	put_array_head(&parameters[0], OID_TEXT, item->slice_count);
	put_array_head(&parameters[1], OID_BYTEA, item->slice_count);
	for (int i = 0; i < item->slice_count; i++)
	{
		put_text(&parameters[0], item->kind, kind_length);
		put_text(&parameters[1], item->slices[i].text, item->slices[i].length);
	}
	if (item->idempotency_key == NULL)
		return 3;
	put_array_head(&parameters[2], OID_BYTEA, item->slice_count);
	for (int i = 0; i < item->slice_count; i++)
	{
		int length = snprintf(key, sizeof(key), "%s/%d", item->idempotency_key, i);

		put_text(&parameters[2], key, (size_t) length);
	}
	return 3;
}

static int
put_key_hashes(const DbBatch *batch, Buffer *parameters)
{
	put_array_head(&parameters[0], OID_BYTEA, batch->item_count);
	for (int i = 0; i < batch->item_count; i++)
	{
		buffer_put_int32(&parameters[0], KEY_HASH_SIZE);
		buffer_put(&parameters[0], batch->items[i]->key_hash, KEY_HASH_SIZE);
	}
	return 1;
}

static int
put_history(const DbItem *item, Buffer *parameters)
{
	buffer_put_int64(&parameters[0], item->user_id);
	buffer_put_int64(&parameters[1], item->id);
	if (item->before != 0)
		buffer_put_int64(&parameters[2], item->before);
	buffer_put_int32(&parameters[3], item->max_rows);
	return 4;
}

/* Fills the buffers of the parameters for a batch, and returns how many there are. */
static int
put_parameters(Db *db, const DbBatch *batch)
{
	assert(batch->item_count >= 1 && (batch->item_count == 1 || db_is_shared(batch->function)));
	for (int i = 0; i < DB_PARAMETERS_MAX; i++)
		buffer_reset(&db->parameters[i]);
	if (batch->function == DB_READY)
		return 0;
	if (batch->function == DB_HISTORY)
		return put_history(batch->items[0], db->parameters);
	if (batch->function == DB_BULK)
		return put_bulk(batch->items[0], db->parameters);
	if (batch->function == DB_KEY)
		return put_key_hashes(batch, db->parameters);
	for (int i = 0; i < 3; i++)
		put_array(batch, i, &db->parameters[i]);
	return 3;
}

bool
statements_send(Db *db, const DbBatch *batch)
{
	static const int binary[DB_PARAMETERS_MAX] = {1, 1, 1, 1};
	const char *values[DB_PARAMETERS_MAX];
	int lengths[DB_PARAMETERS_MAX];
	int count;

	assert(db->state == DB_UP);
	count = put_parameters(db, batch);
	assert(count == statements[batch->function].parameter_count);
	for (int i = 0; i < count; i++)
	{
		if (db->parameters[i].failed)
			return false;
		values[i] = db->parameters[i].length ? db->parameters[i].data : NULL;
		lengths[i] = (int) db->parameters[i].length;
	}
	return PQsendQueryPrepared(db->connection, statements[batch->function].name, count, values,
	                           lengths, binary, 0) == 1 &&
	       PQpipelineSync(db->connection) == 1;
}
