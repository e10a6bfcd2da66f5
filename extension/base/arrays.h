/*
 * arrays.h
 *		Arrays as arguments of statements, for unnest().
 */
#ifndef PG_WALLET_ARRAYS_H
#define PG_WALLET_ARRAYS_H

#include "base/version.h"

#include "catalog/pg_type.h"

/* Of one int64 member of each struct of an array. */
extern Datum member_array(const void *structs, int count, size_t size, size_t offset, Oid type);

#define INT64_MEMBER(structs, count, type, member)                                                 \
	member_array(structs, count, sizeof(type), offsetof(type, member), INT8OID)
#define TIME_MEMBER(structs, count, type, member)                                                  \
	member_array(structs, count, sizeof(type), offsetof(type, member), TIMESTAMPTZOID)

/* For assertions: does this int64 member rise from each struct of an array to the next? */
static inline bool
member_rises(const void *structs, int count, size_t size, size_t offset)
{
	const char *member = (const char *) structs + offset;

	for (int i = 1; i < count; i++)
	{
		if (*(const int64 *) (member + (i - 1) * size) >= *(const int64 *) (member + i * size))
			return false;
	}
	return true;
}

#define MEMBER_RISES(structs, count, type, member)                                                 \
	member_rises(structs, count, sizeof(type), offsetof(type, member))

/* Sorts ids and leaves each once.  Returns how many are left. */
extern int sort_ids(int64 *ids, int count);

extern Datum int64_array(const int64 *values, int count);
extern Datum text_array(const char *const *values, int count);

#endif /* PG_WALLET_ARRAYS_H */
