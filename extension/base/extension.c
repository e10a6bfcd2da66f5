/*
 * extension.c
 *		Whether the extension is installed in the database, and in which version.
 */
#include "base/extension.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

static char other_version[NAMEDATALEN];

/* pg_extension.extversion, or NULL when the extension is absent. */
static char *
installed_version(void)
{
	Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	char *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum("pg_wallet"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool is_null;
		Datum stored = heap_getattr(tuple, Anum_pg_extension_extversion,
		                            RelationGetDescr(extensions), &is_null);

		version = is_null ? pstrdup("") : TextDatumGetCString(stored);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

ExtensionState
extension_state(void)
{
	char *version = installed_version();

	if (version == NULL)
		return EXTENSION_ABSENT;
	if (strcmp(version, PG_WALLET_VERSION) == 0)
		return EXTENSION_READY;
	strlcpy(other_version, version, sizeof(other_version));
	return EXTENSION_OTHER_VERSION;
}

const char *
extension_other_version(void)
{
	return other_version;
}
