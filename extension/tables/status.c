/*
 * status.c
 *		The values of the enum type wallet.status.
 *
 * Locking: none.  The server calls forget_values() before a session uses a type that another one
 * has changed.
 */
#include "tables/status.h"

#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static bool is_valid;  /* no enum type was changed since the values were looked up */
static Oid known_type; /* whose values they are; a type that is made anew has another oid */
static Oid values[STATUS_COUNT]; /* InvalidOid where somebody has renamed a value */

StaticAssertDecl(lengthof(values) == lengthof(status_names), "each status has a name and a value");

static void
forget_values(Datum argument, int cache, uint32 hash)
{
	is_valid = false;
}

void
status_values_load(Oid type)
{
	static bool is_told = false;

	Assert(OidIsValid(type));
	if (is_valid && type == known_type)
		return;
	if (!is_told)
		CacheRegisterSyscacheCallback(ENUMTYPOIDNAME, forget_values, (Datum) 0);
	is_told = true;
	known_type = type;
	/* Set first: a look-up may hear of a change. */
	is_valid = true;
	for (int i = 0; i < STATUS_COUNT; i++)
		values[i] = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid, ObjectIdGetDatum(type),
		                            CStringGetDatum(status_names[i]));
}

Oid
status_value(WalletStatus status)
{
	Assert(OidIsValid(known_type) && status >= 0 && status < STATUS_COUNT);
	if (!OidIsValid(values[status]))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("type %s has no value \"%s\"", format_type_be(known_type),
		                       status_names[status]),
		                errhint("Give the value back the name that it had.")));
	return values[status];
}

WalletStatus
status_of_value(Oid value)
{
	Assert(OidIsValid(known_type));
	for (int i = 0; i < STATUS_COUNT; i++)
	{
		if (values[i] == value)
			return (WalletStatus) i;
	}
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errmsg("a row has an unknown value of type %s", format_type_be(known_type))));
}
