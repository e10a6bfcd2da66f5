/*
 * working_set.c
 *		The wallets and users that operations touch.
 */
#include "rules/working_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint32_t
touched_room(uint32_t keys)
{
	uint32_t room = 4;

	while (room - room / 3 <= keys)
		room *= 2;
	return room;
}

static Touched *
find_in_table(const WorkingSet *set, int64_t key)
{
	uint32_t mask = set->touched_max - 1;
	uint32_t i = set->hash(key) & mask;

	while (set->touched[i].key != 0 && set->touched[i].key != key)
		i = (i + 1) & mask;
	return &set->touched[i];
}

/* The element that has the key, or the free one where the key would go. */
static inline Touched *
find_element(const WorkingSet *set, int64_t key)
{
	Touched *touched = set->touched;

	if (set->hash != NULL)
		return find_in_table(set, key);
	while (touched->key != 0 && touched->key != key)
		touched++;
	return touched;
}

Touched *
touched_find(const WorkingSet *set, int64_t key)
{
	Touched *touched = find_element(set, key);

	return touched->key == 0 ? NULL : touched;
}

static Touched *
touch(WorkingSet *set, int64_t key)
{
	Touched *touched = find_element(set, key);

	assert(key != 0);
	if (touched->key == 0)
	{
		touched->key = key;
		set->touched_count++;
		assert(touched_room(set->touched_count) <= set->touched_max);
	}
	return touched;
}

/* A group's legs are touched one by one, each with the wallets that it writes. */
static void
touch_operation(WorkingSet *set, const Operation *operation)
{
	if (operation->kind == KIND_WALLET)
		(void) touch(set, -operation->user_id);
	if (operation->source_wallet_id > 0)
		touch(set, operation->source_wallet_id)->is_written |= operation->kind != KIND_WALLET_READ;
	if (operation->destination_wallet_id > 0)
		touch(set, operation->destination_wallet_id)->is_written |=
		    operation_writes_destination(operation);
	if (operation->kind == KIND_HOLD && operation->destination_wallet_id > 0)
		touch(set, operation->destination_wallet_id)->gets_hold = true;
	for (int i = 0; i < operation->share_count; i++)
		touch(set, operation->parts->shares[operation->share_first + i].destination_wallet_id)
		    ->is_written = true;
}

void
working_set_touch(WorkingSet *set, const Operation *operation)
{
	const Parts *parts = operation->parts;

	touch_operation(set, operation);
	for (int i = 0; parts != NULL && i < parts->leg_count; i++)
		touch_operation(set, &parts->legs[i]);
}

void
working_set_load(WorkingSet *set, int count)
{
	assert(set->wallet_count == 0 && count <= set->wallets_max);
	for (int i = 0; i < count; i++)
	{
		Touched *touched = touched_find(set, set->wallets[i].wallet_id);

		assert(i == 0 || set->wallets[i - 1].wallet_id < set->wallets[i].wallet_id);
		assert(touched != NULL && set->wallets[i].changes == 0);
		touched->wallet = i + 1;
		touched->is_there = true;
		set->holders += set->wallets[i].held > 0 ? 1 : 0;
		if (touched->is_written && set->wallets[i].updated_at > set->newest_updated_at)
			set->newest_updated_at = set->wallets[i].updated_at;
	}
	set->loaded_count = set->wallet_count = count;
}

/* The hold at this place is a due one of its source wallet. */
static void
link_due(WorkingSet *set, int place, Wallet *source)
{
	Hold *hold = &set->holds[place];

	source->due += hold->rest;
	hold->next_due = source->first_due;
	source->first_due = place + 1;
}

void
working_set_load_holds(WorkingSet *set, int count, int64_t moment)
{
	assert(set->hold_count == 0 && count <= set->holds_max);
	for (int i = count - 1; i >= 0; i--)
	{
		Hold *hold = &set->holds[i];
		Wallet *source = working_set_wallet(set, hold->source_wallet_id);

		assert(i == 0 || hold[-1].hold_id < hold->hold_id);
		if (source != NULL && hold->state == HOLD_OPEN && hold->expires_at <= moment)
			link_due(set, i, source);
	}
	set->loaded_holds = set->hold_count = count;
}

void
working_set_load_originals(WorkingSet *set, int count)
{
	assert(count <= set->originals_max);
	for (int i = 1; i < count; i++)
		assert(set->originals[i - 1].transfer_id < set->originals[i].transfer_id);
	set->original_count = count;
}

static int
compare_with_hold(const void *id, const void *hold)
{
	int64_t wanted = *(const int64_t *) id;
	int64_t found = ((const Hold *) hold)->hold_id;

	return (wanted > found) - (wanted < found);
}

static int
compare_with_original(const void *id, const void *original)
{
	int64_t wanted = *(const int64_t *) id;
	int64_t found = ((const Original *) original)->transfer_id;

	return (wanted > found) - (wanted < found);
}

Hold *
working_set_hold(const WorkingSet *set, int64_t hold_id)
{
	if (set->loaded_holds == 0)
		return NULL;
	return bsearch(&hold_id, set->holds, (size_t) set->loaded_holds, sizeof(Hold),
	               compare_with_hold);
}

int
working_set_add_due(WorkingSet *set, int count)
{
	int entered = 0;

	assert(set->hold_count + count <= set->holds_max);
	for (int i = 0; i < count; i++)
	{
		int place = set->hold_count;
		Hold *hold = &set->holds[place + i - entered];
		Wallet *source = working_set_wallet(set, hold->source_wallet_id);

		if (source == NULL || working_set_hold(set, hold->hold_id) != NULL)
			continue;
		set->holds[place] = *hold;
		link_due(set, place, source);
		set->hold_count++;
		entered++;
	}
	return entered;
}

Original *
working_set_original(const WorkingSet *set, int64_t transfer_id)
{
	if (set->original_count == 0)
		return NULL;
	return bsearch(&transfer_id, set->originals, (size_t) set->original_count, sizeof(Original),
	               compare_with_original);
}

Wallet *
working_set_make(WorkingSet *set, const Wallet *wallet)
{
	Wallet *made = &set->wallets[set->wallet_count];

	assert(set->wallet_count < set->wallets_max);
	assert(wallet->changes != 0 && working_set_wallet(set, wallet->wallet_id) == NULL);
	*made = *wallet;
	touch(set, wallet->wallet_id)->wallet = ++set->wallet_count;
	touched_find(set, -wallet->user_id)->is_there = true;
	return made;
}

void
working_set_unmake(WorkingSet *set, int wallet_count)
{
	assert(wallet_count >= set->loaded_count);
	while (set->wallet_count > wallet_count)
	{
		const Wallet *wallet = &set->wallets[--set->wallet_count];

		touched_find(set, wallet->wallet_id)->wallet = 0;
		touched_find(set, -wallet->user_id)->is_there = false;
	}
}

bool
working_set_must_wait(WorkingSet *set, const Operation *operation)
{
	int64_t keys[OPERATION_KEYS_MAX];
	Touched *touched[OPERATION_KEYS_MAX];
	int count = operation_keys(operation, keys);
	bool is_busy = false;

	for (int i = 0; i < count; i++)
	{
		touched[i] = touched_find(set, keys[i]);
		assert(touched[i] != NULL);
		is_busy = is_busy || touched[i]->is_busy;
	}
	for (int i = 0; is_busy && i < count; i++)
		touched[i]->is_busy = true;
	return is_busy;
}

Wallet *
working_set_wallet(const WorkingSet *set, int64_t wallet_id)
{
	const Touched *touched = wallet_id > 0 ? touched_find(set, wallet_id) : NULL;

	return touched == NULL || touched->wallet == 0 ? NULL : &set->wallets[touched->wallet - 1];
}

const Currency *
working_set_currency(WorkingSet *set, const char *code)
{
	if (!set->has_currency || strcmp(set->currency.code, code) != 0)
		set->has_currency = set->find_currency(code, &set->currency);
	return set->has_currency ? &set->currency : NULL;
}
