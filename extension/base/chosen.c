/*
 * chosen.c
 *		Hashing and sorting of values that a caller chooses.
 */
#include "base/chosen.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

static uint64 key[2];
static bool key_is_made = false;

static void
make_key(void)
{
	if (!pg_strong_random(key, sizeof(key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a random key")));
	key_is_made = true;
}

static inline uint64
rotate_left(uint64 word, int bits)
{
	return (word << bits) | (word >> (64 - bits));
}

static inline void
sip_round(uint64 v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

/*
 * SipHash's last block holds the rest of the message and the message's length.  Every message here
 * has 8 bytes, so the last block is a constant.
 */
uint32
chosen_hash(int64 id)
{
	const uint64 last = UINT64CONST(8) << 56;
	uint64 v[4];

	if (unlikely(!key_is_made))
		make_key();
	v[0] = key[0] ^ UINT64CONST(0x736f6d6570736575);
	v[1] = key[1] ^ UINT64CONST(0x646f72616e646f6d);
	v[2] = key[0] ^ UINT64CONST(0x6c7967656e657261);
	v[3] = key[1] ^ UINT64CONST(0x7465646279746573);
	v[3] ^= (uint64) id;
	sip_round(v);
	v[0] ^= (uint64) id;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return (uint32) (v[0] ^ v[1] ^ v[2] ^ v[3]);
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
