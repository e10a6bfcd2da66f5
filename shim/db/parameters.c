/*
 * parameters.c
 *		From a batch's items to the parameters of its statement, in PostgreSQL's
 *		binary formats.
 */
#include "db/internal.h"

#include <stdio.h>
#include <string.h>

#define OID_BYTEA 17
#define OID_TEXT 25
#define OID_INT8 20

/* What comes before an array's elements: dimensions, has-nulls, element type, size, lower bound. */
static void
put_array_head(Buffer *out, Oid type, int count)
{
	buffer_put_int32(out, 1);
	buffer_put_int32(out, 1);
	buffer_put_int32(out, (int32_t) type);
	buffer_put_int32(out, count);
	buffer_put_int32(out, 1);
}

/* An element; NULL is SQL's null. */
static void
put_text(Buffer *out, const char *text, size_t length)
{
	buffer_put_int32(out, text ? (int32_t) length : -1);
	buffer_put(out, text, length);
}

/* An id; 0 is SQL's null. */
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
 * One parameter of all items.  What clients have sent to be stored goes as bytes: as text the
 * server would convert it, and one that it cannot convert would fail the statement for all.
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

/* The parameters of one item with many payloads; without a key the keys are SQL's null. */
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

int
db_put_parameters(Db *db, const DbBatch *batch)
{
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
