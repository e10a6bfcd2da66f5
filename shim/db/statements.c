/*
 * statements.c
 *		The prepared statements, and their parameters in PostgreSQL's binary formats.
 */
#include "db/statements.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_TEXT 25
#define OID_INT8 20
#define OID_INT4 23
#define OID_BOOL_ARRAY 1000
#define OID_BYTEA_ARRAY 1001
#define OID_INT4_ARRAY 1007
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016

#define WRITES (1u << DB_WRITES)
#define READS (1u << DB_READS)
#define REPLICA (1u << DB_REPLICA)

#define BULK_COLUMNS "SELECT ordinal, handshake_id, code, message FROM "
#define ENQUEUE_COLUMNS "SELECT ordinal, handshake_id, code, message, user_id, is_repeated FROM "
#define LOOKUP_COLUMNS                                                                             \
	"SELECT ordinal, state, code, message, wallet_id, wallet_status, amount, currency, "           \
	"created_at, updated_at, transfer_id, source_wallet_id, destination_wallet_id, kind, "         \
	"link_id, "                                                                                    \
	"group_id, leg, rows, held, floor, ceiling, available, amount_mode, reversed, "                \
	"pg_catalog.array_to_string(reversals, ','), pg_catalog.array_to_string(links, ',') FROM "
#define HISTORY_COLUMNS                                                                            \
	"SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance, "         \
	"posted_at, link_id, group_id, held, expires_at, overdraw, reversed, "                         \
	"pg_catalog.array_to_string(reversals, ','), next FROM "
#define HOLDS_COLUMNS                                                                              \
	"SELECT hold_id, source_wallet_id, destination_wallet_id, amount, captured, rest, "            \
	"max_capture, state, expires_at, created_at, updated_at, next FROM "
#define KEY_COLUMNS                                                                                \
	"SELECT ordinal, pg_catalog.array_to_string(scopes, ' '), user_id, expires_in_ms, "            \
	"max_amount, "                                                                                 \
	"name, requests_per_second FROM "
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
	[DB_ENQUEUE] = {"enqueue", WRITES, ENQUEUE_COLUMNS, "wallet_enqueue_utf8($1, $2, $3, $4, $5)",
		5, {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY, OID_INT4_ARRAY, OID_TEXT_ARRAY}},
	[DB_BULK] = {"bulk", WRITES, BULK_COLUMNS, "wallet_enqueue_utf8($1, $2, $3, $4, $5) ORDER BY ordinal",
		5, {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY, OID_INT4_ARRAY, OID_TEXT_ARRAY}},
	[DB_LOOKUP] = {"lookup", READS | REPLICA, LOOKUP_COLUMNS, "wallet_lookup_many($1, $2, $3, $4)",
		4, {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_BOOL_ARRAY}},
	[DB_OUTCOMES] = {"outcomes", READS | REPLICA, LOOKUP_COLUMNS, "wallet_lookup_many($1, $2, $3, $4) ORDER BY ordinal",
		4, {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_BOOL_ARRAY}},
	[DB_READ] = {"read", READS | REPLICA, LOOKUP_COLUMNS, "wallet_read_many($1, $2, $3, $4)",
		4, {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY, OID_BOOL_ARRAY}},
	[DB_HISTORY] = {"history", READS | REPLICA, HISTORY_COLUMNS, "wallet_history_page($1, $2, $3, $4, $5)",
		5, {OID_INT8, OID_INT8, OID_INT8, OID_INT4, OID_BOOL}},
	[DB_HOLDS] = {"holds", READS | REPLICA, HOLDS_COLUMNS, "wallet_holds_page($1, $2, $3, $4, $5, $6)",
		6, {OID_INT8, OID_INT8, OID_INT8, OID_TEXT, OID_INT8, OID_INT4}},
	[DB_DRY_RUN] = {"dry_run", READS, "SELECT ordinal, answer FROM ", "wallet_dry_run_utf8($1, $2, $3, $4, $5)",
		5, {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY, OID_INT4_ARRAY, OID_TEXT_ARRAY}},
	[DB_KEY] = {"key", WRITES | READS, KEY_COLUMNS, "wallet_api_key_check_many($1)",
		1, {OID_BYTEA_ARRAY}},
	[DB_READY] = {"ready", READS, READY_COLUMNS, "wallet_ready()",
		0, {0}},
	[DB_METRICS] = {"metrics", READS, "SELECT wallet_metrics FROM ", "wallet_metrics()",
		0, {0}},
	[DB_POSITION] = {"position", WRITES | READS | REPLICA, "SELECT reached, is_standby FROM ", "wallet_position()",
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

	/* DB_POSITION is the first: all roles have it, so all complain of it where all are missing. */
	for (int n = 0; sent && n < DB_FUNCTION_COUNT; n++)
	{
		int i = (DB_POSITION + n) % DB_FUNCTION_COUNT;
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

/* Writes an id; 0 is SQL's null, but where it is the user for whom nobody is named. */
static void
put_id(Buffer *out, int64_t id, bool is_user)
{
	bool is_null = id == 0 && !is_user;

	buffer_put_int32(out, is_null ? -1 : (int32_t) sizeof(id));
	if (!is_null)
		buffer_put_int64(out, id);
}

static void
put_string(Buffer *out, const char *text)
{
	put_text(out, text, text ? strlen(text) : 0);
}

/* The heads of the arrays of an enqueue statement. */
static void
put_enqueue_heads(Buffer *parameters, int count, bool has_bounds)
{
	put_array_head(&parameters[0], OID_TEXT, count);
	put_array_head(&parameters[1], OID_BYTEA, count);
	put_array_head(&parameters[2], OID_BYTEA, count);
	put_array_head(&parameters[3], OID_INT4, count);
	if (has_bounds)
		put_array_head(&parameters[4], OID_TEXT, count);
}

/* What is known of who asks. */
static void
put_asker(Buffer *parameters, const DbItem *item, bool has_bounds)
{
	buffer_put_int32(&parameters[3], (int32_t) sizeof(int32_t));
	buffer_put_int32(&parameters[3], (int32_t) item->rights);
	if (has_bounds)
		put_string(&parameters[4], item->max_amount);
}

/*
 * Writes the parameters of payloads, each of an item of its own.  What clients have sent to be
 * stored goes as bytes: the server would convert text, and one text that it cannot convert would
 * fail the statement for all.
 */
static int
put_enqueue(const DbBatch *batch, Buffer *parameters)
{
	bool has_bounds = false;

	for (int i = 0; i < batch->item_count; i++)
		has_bounds = has_bounds || batch->items[i]->max_amount != NULL;
	put_enqueue_heads(parameters, batch->item_count, has_bounds);
	for (int i = 0; i < batch->item_count; i++)
	{
		const DbItem *item = batch->items[i];

		put_string(&parameters[0], item->kind);
		put_text(&parameters[1], item->payload, item->payload_length);
		put_string(&parameters[2], item->idempotency_key);
		put_asker(parameters, item, has_bounds);
	}
	return 5;
}

/* Writes the parameters of one item with many payloads; without a key all keys are SQL's null. */
static int
put_bulk(const DbItem *item, Buffer *parameters)
{
	bool has_bounds = item->max_amount != NULL;
	char key[300];

	put_enqueue_heads(parameters, item->sent_count, has_bounds);
	if (item->idempotency_key == NULL)
		buffer_reset(&parameters[2]);
	for (int i = 0; i < item->many_count; i++)
	{
		const DbPayload *payload = &item->payloads[i];

		if (payload->kind == NULL)
			continue;
		put_string(&parameters[0], payload->kind);
		put_text(&parameters[1], payload->text.text, payload->text.length);
		if (item->idempotency_key != NULL)
		{
			snprintf(key, sizeof(key), "%s/%d", item->idempotency_key, i);
			put_string(&parameters[2], key);
		}
		put_asker(parameters, item, has_bounds);
	}
	return 5;
}

static void
put_bool(Buffer *out, bool value)
{
	buffer_put_int32(out, 1);
	buffer_put(out, value ? "\1" : "\0", 1);
}

/* Writes the parameters of reads and look-ups: kind, user, id or handshake, and who wants links. */
static int
put_reads(const DbBatch *batch, Buffer *parameters)
{
	bool by_id = batch->function == DB_READ;
	bool has_links = false;

	for (int i = 0; i < batch->item_count; i++)
		has_links = has_links || batch->items[i]->include_links;
	put_array_head(&parameters[0], OID_TEXT, batch->item_count);
	put_array_head(&parameters[1], OID_INT8, batch->item_count);
	put_array_head(&parameters[2], by_id ? OID_INT8 : OID_TEXT, batch->item_count);
	put_array_head(&parameters[3], OID_BOOL, has_links ? batch->item_count : 0);
	for (int i = 0; i < batch->item_count; i++)
	{
		const DbItem *item = batch->items[i];

		put_string(&parameters[0], item->kind);
		put_id(&parameters[1], item->user_id, true);
		if (by_id)
			put_id(&parameters[2], item->id, false);
		else
			put_string(&parameters[2], item->handshake_id);
		if (has_links)
			put_bool(&parameters[3], item->include_links);
	}
	return 4;
}

/* Writes the parameters of one item with many questions; a kind that is SQL's null is any kind. */
static int
put_questions(const DbItem *item, Buffer *parameters)
{
	put_array_head(&parameters[0], OID_TEXT, item->sent_count);
	put_array_head(&parameters[1], OID_INT8, item->sent_count);
	put_array_head(&parameters[2], OID_TEXT, item->sent_count);
	put_array_head(&parameters[3], OID_BOOL, item->include_links ? item->sent_count : 0);
	for (int i = 0; i < item->many_count; i++)
	{
		if (item->questions[i].refusal != CODE_OK)
			continue;
		put_text(&parameters[0], NULL, 0);
		put_id(&parameters[1], item->questions[i].user_id, true);
		put_string(&parameters[2], item->questions[i].handshake_id);
		if (item->include_links)
			put_bool(&parameters[3], item->questions[i].include_links);
	}
	return 4;
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

/* Writes a parameter that is no array: an id, of which 0 is SQL's null. */
static void
put_single_id(Buffer *out, int64_t id)
{
	if (id != 0)
		buffer_put_int64(out, id);
}

static int
put_history(const DbItem *item, Buffer *parameters)
{
	buffer_put_int64(&parameters[0], item->user_id);
	buffer_put_int64(&parameters[1], item->id);
	put_single_id(&parameters[2], item->before);
	buffer_put_int32(&parameters[3], item->max_rows);
	buffer_put(&parameters[4], item->include_holds ? "\1" : "\0", 1);
	return 5;
}

static int
put_holds(const DbItem *item, Buffer *parameters)
{
	buffer_put_int64(&parameters[0], item->user_id);
	put_single_id(&parameters[1], item->hold_id);
	put_single_id(&parameters[2], item->id);
	if (item->state != NULL)
		buffer_puts(&parameters[3], item->state);
	put_single_id(&parameters[4], item->before);
	buffer_put_int32(&parameters[5], item->max_rows);
	return 6;
}

/* Fills the buffers of the parameters for a batch, and returns how many there are. */
static int
put_parameters(Db *db, const DbBatch *batch)
{
	assert(batch->item_count >= 1 && (batch->item_count == 1 || db_is_shared(batch->function)));
	for (int i = 0; i < DB_PARAMETERS_MAX; i++)
		buffer_reset(&db->parameters[i]);
	switch (batch->function)
	{
		case DB_READY:
		case DB_METRICS:
		case DB_POSITION:
			return 0;
		case DB_HISTORY:
			return put_history(batch->items[0], db->parameters);
		case DB_HOLDS:
			return put_holds(batch->items[0], db->parameters);
		case DB_ENQUEUE:
		case DB_DRY_RUN:
			return put_enqueue(batch, db->parameters);
		case DB_BULK:
			return put_bulk(batch->items[0], db->parameters);
		case DB_OUTCOMES:
			return put_questions(batch->items[0], db->parameters);
		case DB_KEY:
			return put_key_hashes(batch, db->parameters);
		default:
			return put_reads(batch, db->parameters);
	}
}

/* Sends the question for the server's position, in the transaction of a batch. */
static bool
send_position(Db *db)
{
	return PQsendQueryPrepared(db->connection, statements[DB_POSITION].name, 0, NULL, NULL, NULL,
	                           0) == 1;
}

bool
statements_send(Db *db, const DbBatch *batch)
{
	static const int binary[DB_PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1};
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
	return (!batch->asks_before || send_position(db)) &&
	       PQsendQueryPrepared(db->connection, statements[batch->function].name, count, values,
	                           lengths, binary, 0) == 1 &&
	       (!batch->asks_after || send_position(db)) && PQpipelineSync(db->connection) == 1;
}
