/*
 * partitions.c
 *		Opens the partition that a key belongs to, found by the key as the executor would find it.
 *
 * Locking: a table and its partition are opened with the lock that is asked for, in this order,
 * and kept locked until the transaction ends.
 */
#include "tables/partitions.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/partcache.h"

#include "base/relations.h"
#include "base/search_path.h"

/* Is the table partitioned by ranges of its first column, a bigint, and by nothing else? */
static bool
is_partitioned_by_key(Relation table)
{
	/* The session's first look at the key evaluates constants in the key. */
	int path = table->rd_partkey == NULL ? search_path_pin() : 0;
	PartitionKey key = RelationGetPartitionKey(table);

	search_path_unpin(path);
	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
	       key->partattrs[0] == 1 && key->partopfamily[0] == INTEGER_BTREE_FAM_OID &&
	       key->parttypid[0] == INT8OID;
}

/* The bound with this number; a bound before the first or after the last one is without limit. */
static int64
bound_value(const PartitionBoundInfoData *bounds, int bound)
{
	if (bound < 0 ||
	    (bound < bounds->ndatums && bounds->kind[bound][0] == PARTITION_RANGE_DATUM_MINVALUE))
		return PG_INT64_MIN;
	if (bound == bounds->ndatums || bounds->kind[bound][0] == PARTITION_RANGE_DATUM_MAXVALUE)
		return PG_INT64_MAX;
	return DatumGetInt64(bounds->datums[bound][0]);
}

/* Is there a partition for this range, or for one after it? */
static bool
is_any_from(const PartitionBoundInfoData *bounds, int range)
{
	while (range <= bounds->ndatums && bounds->indexes[range] < 0)
		range++;
	return range <= bounds->ndatums;
}

/*
 * Returns the partition of rows with this key, or with or_above the first partition of greater
 * keys where the key has none.  Returns InvalidOid when there is no such partition.  *end is the
 * end of the partition's range, or with or_above PG_INT64_MAX when no partition follows.  Most
 * callers look for one of the last ranges, so the search begins at the end.
 */
static Oid
find_partition(Relation table, int64 key, bool or_above, int64 *end)
{
	PartitionDesc partitions = RelationGetPartitionDesc(table, true);
	const PartitionBoundInfoData *bounds = partitions->boundinfo;
	int range;

	if (bounds == NULL || partition_bound_has_default(bounds))
		return InvalidOid;
	for (range = bounds->ndatums; bound_value(bounds, range - 1) > key; range--)
		;
	while (or_above && range < bounds->ndatums && bounds->indexes[range] < 0)
		range++;
	if (bounds->indexes[range] < 0)
		return InvalidOid;
	*end = or_above && !is_any_from(bounds, range + 1) ? PG_INT64_MAX : bound_value(bounds, range);
	return partitions->oids[bounds->indexes[range]];
}

Relation
open_heap(const char *name, int64 key, bool or_above, LOCKMODE lock, Relation *parent, int64 *end)
{
	Relation table = table_open(wallet_relation(name), lock);
	Oid partition;

	Assert(lock != NoLock);
	*parent = NULL;
	*end = PG_INT64_MAX;
	if (table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return table;
	partition =
	    is_partitioned_by_key(table) ? find_partition(table, key, or_above, end) : InvalidOid;
	if (!OidIsValid(partition))
	{
		table_close(table, NoLock);
		return NULL;
	}
	*parent = table;
	return table_open(partition, lock);
}

void
close_heap(Relation heap, Relation parent)
{
	table_close(heap, NoLock);
	if (parent != NULL)
		table_close(parent, NoLock);
}
