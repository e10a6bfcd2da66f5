/*
 * partitions.h
 *		One partition of a table, found by a key.
 */
#ifndef PG_WALLET_PARTITIONS_H
#define PG_WALLET_PARTITIONS_H

#include "base/version.h"

#include "storage/lockdefs.h"
#include "utils/rel.h"

/*
 * Opens a table of the schema wallet.  Where the table is partitioned, opens the partition of a
 * key too (with or_above the next partition, where the key has none), sets *parent to the table
 * and returns the partition.  Returns NULL and closes the table when there is no such partition.
 * *end is the end of the partition's range of keys, or PG_INT64_MAX when no partition follows.
 */
extern Relation open_heap(const char *name, int64 key, bool or_above, LOCKMODE lock,
                          Relation *parent, int64 *end);
extern void close_heap(Relation heap, Relation parent);

#endif /* PG_WALLET_PARTITIONS_H */
