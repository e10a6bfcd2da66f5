/*
 * arrays.c
 *		Arrays as arguments of statements, for unnest().
 */
#include "base/arrays.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/byte_sort.h"

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

static int
compare_ids(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

int
sort_ids(int64 *ids, int count)
{
	int kept = 0;

	if (count < SORT_BY_BYTES_MIN)
		qsort(ids, count, sizeof(int64), compare_ids);
	else
		sort_by_bytes(ids, count, sizeof(int64), 0);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || ids[i] != ids[i - 1])
			ids[kept++] = ids[i];
	}
	return kept;
}
