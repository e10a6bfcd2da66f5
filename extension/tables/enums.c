/*
 * enums.c
 *		The values of our enum types.
 */
#include "tables/enums.h"

#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/* How often we have heard that an enum type was changed. */
static uint64 enum_changes = 1;

static void
forget_values(Datum argument, int cache, uint32 hash)
{
	enum_changes++;
}

void
enum_values_look_up(EnumValues *values, Oid type, const char *const *names, int count)
{
	static bool is_told = false;

	if (values->type == type && values->changes == enum_changes)
		return;
	if (!is_told)
		CacheRegisterSyscacheCallback(ENUMTYPOIDNAME, forget_values, (Datum) 0);
	is_told = true;
	*values = (EnumValues){.changes = enum_changes, .names = names, .count = count};
	for (int i = 0; i < count; i++)
		values->values[i] = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
		                                    ObjectIdGetDatum(type), CStringGetDatum(names[i]));
	values->type = type;
}

Oid
enum_values_get(const EnumValues *values, int i)
{
	Assert(i >= 0 && i < values->count);
	if (!OidIsValid(values->values[i]))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("type %s has no value \"%s\"", format_type_be(values->type),
		                       values->names[i]),
		                errhint("Give the value back the name that it had.")));
	return values->values[i];
}

int
enum_values_find(const EnumValues *values, Oid value)
{
	for (int i = 0; i < values->count; i++)
	{
		if (values->values[i] == value)
			return i;
	}
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errmsg("a row has an unknown value of type %s", format_type_be(values->type))));
}
