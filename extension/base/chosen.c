/*
 * chosen.c
 *		Hashing and sorting of values that a caller chooses.
 */
#include "base/chosen.h"

#include "common/pg_prng.h"
#include "miscadmin.h"

static uint64 key[4];
static bool key_is_made = false;

static void
make_key(void)
{
	if (!pg_strong_random(key, sizeof(key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a random key")));
	key_is_made = true;
}

/* The two halves of the product of 128 bits, folded together. */
static inline uint64
fold(uint64 left, uint64 right)
{
	__extension__ unsigned __int128 product = (unsigned __int128) left * right;

	return (uint64) product ^ (uint64) (product >> 64);
}

/*
 * Two folded products with a key of 256 bits, as wyhash makes them.  A caller never sees a hash,
 * and so learns nothing about the key.  (SipHash takes about 130 instructions, and a transfer six
 * hashes.)
 */
uint32
chosen_hash(int64 id)
{
	if (unlikely(!key_is_made))
		make_key();
	return (uint32) fold(fold((uint64) id ^ key[0], key[1]) ^ key[2], key[3]);
}

void
chosen_shuffle(void **items, int count)
{
	Assert(count >= 0);
	for (int i = count - 1; i > 0; i--)
	{
		int other = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, i);
		void *item = items[i];

		items[i] = items[other];
		items[other] = item;
	}
}
