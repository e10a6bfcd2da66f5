/*
 * arrays.c
 *		Arrays as arguments of statements, for unnest().
 */
#include "base/arrays.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

Datum
member_array(const void *structs, int count, size_t size, size_t offset, Oid type)
{
	Datum *items = palloc(sizeof(Datum) * count);
	ArrayType *array;

	Assert(offset + sizeof(int64) <= size);
	Assert(type == INT8OID || type == TIMESTAMPTZOID);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i] = Int64GetDatum(*(const int64 *) ((const char *) structs + i * size + offset));
	}
	array = construct_array(items, count, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(items);
	return PointerGetDatum(array);
}

Datum
int64_array(const int64 *values, int count)
{
	return member_array(values, count, sizeof(int64), 0, INT8OID);
}

Datum
text_array(const char *const *values, int count)
{
	Datum *items = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i] = CStringGetTextDatum(values[i]);
	}
	return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* From so many ids on, a sort by bytes is faster than one that compares. */
#define SORT_BY_BYTES_MIN 128

static int
compare_ids(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* The byte of an id at this bit; the sign counts, so that negative ids come first. */
static inline uint8
byte_at(int64 id, int shift)
{
	return (uint8) (((uint64) id ^ (UINT64CONST(1) << 63)) >> shift);
}

/* Moves the ids to sorted, ordered by one byte; ids with the same byte keep their order. */
static void
sort_by_byte(const int64 *ids, int count, int shift, int64 *sorted)
{
	int places[UINT8_MAX + 1] = {0};
	int place = 0;

	for (int i = 0; i < count; i++)
		places[byte_at(ids[i], shift)]++;
	for (int i = 0; i < lengthof(places); i++)
	{
		int these = places[i];

		places[i] = place;
		place += these;
	}
	for (int i = 0; i < count; i++)
		sorted[places[byte_at(ids[i], shift)]++] = ids[i];
}

/*
 * Sorts by one byte after the other, from the lowest on, and leaves out the bytes that all ids
 * have in common: of the ids of ten thousand wallets two bytes differ.  No order of the ids makes
 * that slow.
 */
static void
sort_by_bytes(int64 *ids, int count)
{
	int64 *spare = palloc(sizeof(int64) * count);
	int64 *from = ids;
	int64 *to = spare;
	uint64 differing = 0;

	for (int i = 1; i < count; i++)
		differing |= (uint64) (ids[i] ^ ids[0]);
	for (int shift = 0; shift < 64; shift += 8)
	{
		int64 *sorted = to;

		if ((uint8) (differing >> shift) == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		sort_by_byte(from, count, shift, sorted);
		to = from;
		from = sorted;
	}
	if (from != ids)
		memcpy(ids, from, sizeof(int64) * count);
	pfree(spare);
}

int
sort_ids(int64 *ids, int count)
{
	int kept = 0;

	if (count < SORT_BY_BYTES_MIN)
		qsort(ids, count, sizeof(int64), compare_ids);
	else
		sort_by_bytes(ids, count);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || ids[i] != ids[i - 1])
			ids[kept++] = ids[i];
	}
	return kept;
}
