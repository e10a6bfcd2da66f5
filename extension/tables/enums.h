/*
 * enums.h
 *		The values of our enum types.
 */
#ifndef PG_WALLET_ENUMS_H
#define PG_WALLET_ENUMS_H

#include "base/version.h"

/* The values of an enum type, by the place of their names in an array. */
#define ENUM_VALUES_MAX 8

typedef struct EnumValues
{
	Oid type;       /* one that is made anew has another oid */
	uint64 changes; /* of enum types, when the values were looked up */
	const char *const *names;
	int count;
	Oid values[ENUM_VALUES_MAX]; /* InvalidOid where somebody has renamed a value */
} EnumValues;

/* Look the values up, where that has not been done since a type was changed.  names is an array. */
#define enum_values_load(values, type, names)                                                      \
	(StaticAssertExpr(lengthof(names) <= ENUM_VALUES_MAX, "an enum type has too many values"),     \
	 enum_values_look_up(values, type, names, lengthof(names)))
extern void enum_values_look_up(EnumValues *values, Oid type, const char *const *names, int count);

/* The value of a name, and the place of a value's name; an error where there is none. */
extern Oid enum_values_get(const EnumValues *values, int i);
extern int enum_values_find(const EnumValues *values, Oid value);

#endif /* PG_WALLET_ENUMS_H */
