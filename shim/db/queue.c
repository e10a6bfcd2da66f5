/*
 * queue.c
 *		Lanes of items and the ring of batches.
 */
#include "db/queue.h"

#include <assert.h>
#include <stdlib.h>

void
queue_append(DbQueue *queue, DbItem *item)
{
	DbLane *lane = &queue->lanes[item->function];

	assert(item->share_max >= 1 && item->share_max <= DB_BATCH_ITEMS_MAX && item->done != NULL);
	item->batch = NULL;
	item->next = NULL;
	item->previous = lane->last;
	if (lane->last != NULL)
		lane->last->next = item;
	else
		lane->first = item;
	lane->last = item;
}

static void
lane_remove(DbLane *lane, DbItem *item)
{
	assert(item->batch == NULL && lane->first != NULL);
	if (item->previous != NULL)
		item->previous->next = item->next;
	else
		lane->first = item->next;
	if (item->next != NULL)
		item->next->previous = item->previous;
	else
		lane->last = item->previous;
}

void
queue_remove(DbQueue *queue, DbItem *item)
{
	if (item->batch == NULL)
		lane_remove(&queue->lanes[item->function], item);
	else
	{
		assert(item->batch->items[item->position] == item);
		item->batch->items[item->position] = NULL;
	}
}

DbItem *
queue_take(DbQueue *queue, DbFunction function)
{
	DbItem *item = queue->lanes[function].first;

	assert(item != NULL);
	lane_remove(&queue->lanes[function], item);
	return item;
}

DbBatch *
queue_push(DbQueue *queue, DbFunction function, int64_t now_ms)
{
	DbBatch *batch = &queue->batches[queue->batch_tail++ % DB_BATCHES_MAX];

	assert(queue->batch_tail - queue->batch_head <= DB_BATCHES_MAX);
	*batch = (DbBatch){.function = function, .turn_at_ms = now_ms};
	queue->lanes[function].in_flight++;
	return batch;
}

void
queue_fill(DbQueue *queue, DbBatch *batch)
{
	const DbLane *lane = &queue->lanes[batch->function];
	int share_max = lane->first->share_max;
	int count = 1;

	assert(batch->item_count == 0 && !batch->setup);
	for (const DbItem *item = lane->first->next;
	     item != NULL && item->share_max == share_max && count < share_max; item = item->next)
		count++;
	if (count > 1)
		batch->items = malloc((size_t) count * sizeof(DbItem *));
	if (batch->items == NULL)
	{
		batch->items = &batch->single;
		count = 1;
	}
	batch->item_count = count;
	for (int i = 0; i < count; i++)
	{
		batch->asks_after = batch->asks_after || lane->first->wants_position;
		batch->items[i] = queue_take(queue, batch->function);
		batch->items[i]->batch = batch;
		batch->items[i]->position = i;
	}
}

bool
queue_is_busy(const DbQueue *queue)
{
	return queue->batch_head != queue->batch_tail;
}

DbBatch *
queue_oldest(const DbQueue *queue)
{
	assert(queue_is_busy(queue));
	return (DbBatch *) &queue->batches[queue->batch_head % DB_BATCHES_MAX];
}

void
queue_pop(DbQueue *queue, DbBatch *batch)
{
	*batch = *queue_oldest(queue);
	queue->batch_head++;
	if (batch->item_count == 1)
		batch->items = &batch->single;
	queue->lanes[batch->function].in_flight--;
	assert(queue->lanes[batch->function].in_flight >= 0);
}

void
batch_free(DbBatch *batch)
{
	PQclear(batch->before);
	PQclear(batch->rows);
	PQclear(batch->after);
	PQclear(batch->error);
	if (batch->items != &batch->single)
		free(batch->items);
}

void
item_fail(DbItem *item, WalletCode code, const char *message)
{
	DbResult result = {.code = code, .message = message};

	assert(code != CODE_OK);
	if (item != NULL)
		item->done(item, &result);
}

void
queue_fail_sent(DbQueue *queue, WalletCode code, const char *message)
{
	DbBatch batch;

	while (queue_is_busy(queue))
	{
		queue_pop(queue, &batch);
		for (int i = 0; i < batch.item_count; i++)
			item_fail(batch.items[i], code, message);
		batch_free(&batch);
	}
}

void
queue_fail_waiting(DbQueue *queue, const char *message)
{
	for (int i = 0; i < DB_FUNCTION_COUNT; i++)
		while (queue->lanes[i].first != NULL)
			item_fail(queue_take(queue, (DbFunction) i), CODE_DATABASE_UNAVAILABLE, message);
}
