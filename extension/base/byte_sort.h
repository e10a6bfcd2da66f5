/*
 * byte_sort.h
 *		Sorts structs by a bigint, one byte after the other.
 *
 * The functions are inlined, so that the compiler knows the size of the structs.
 */
#ifndef PG_WALLET_BYTE_SORT_H
#define PG_WALLET_BYTE_SORT_H

#include "base/version.h"

#include "miscadmin.h"

/* From so many structs on, a sort by bytes is faster than one that compares. */
#define SORT_BY_BYTES_MIN 128

/* The key's byte at this bit; the sign counts, so that negative keys come first. */
static inline uint8
byte_at(const char *key, int shift)
{
	return (uint8) ((*(const uint64 *) key ^ (UINT64CONST(1) << 63)) >> shift);
}

/* Copies structs to sorted, ordered by one byte; those with the same byte keep their order. */
static pg_attribute_always_inline void
sort_by_byte(const char *structs, int count, size_t size, size_t offset, int shift, char *sorted)
{
	int places[UINT8_MAX + 1] = {0};
	int place = 0;

	for (int i = 0; i < count; i++)
		places[byte_at(structs + i * size + offset, shift)]++;
	for (int i = 0; i < lengthof(places); i++)
	{
		int these = places[i];

		places[i] = place;
		place += these;
	}
	for (int i = 0; i < count; i++)
		memcpy(sorted + places[byte_at(structs + i * size + offset, shift)]++ * size,
		       structs + i * size, size);
}

/*
 * Sorts by the int64 at the offset.  Structs with the same key keep their order.  Leaves out the
 * bytes that all keys have in common: of the ids of ten thousand wallets two bytes differ.  No
 * order of the keys makes that slow.
 */
static pg_attribute_always_inline void
sort_by_bytes(void *structs, int count, size_t size, size_t offset)
{
	char *spare = palloc_extended(size * count, MCXT_ALLOC_HUGE);
	char *from = structs;
	char *to = spare;
	uint64 first = *(const uint64 *) (from + offset);
	uint64 differing = 0;

	for (int i = 1; i < count; i++)
		differing |= *(const uint64 *) (from + i * size + offset) ^ first;
	for (int shift = 0; shift < 64; shift += 8)
	{
		char *sorted = to;

		if ((uint8) (differing >> shift) == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		sort_by_byte(from, count, size, offset, shift, sorted);
		to = from;
		from = sorted;
	}
	if (from != (char *) structs)
		memcpy(structs, from, size * count);
	pfree(spare);
}

#endif /* PG_WALLET_BYTE_SORT_H */
