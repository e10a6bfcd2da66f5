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
 * Open a table of the schema wallet, and where it is partitioned the partition of a key with it
 * (or_above: or else the next partition).  NULL when there is no such partition: then all is closed
 * again.  *end is where the partition's range of keys ends, or PG_INT64_MAX when no other partition
 * follows.
 */
extern Relation open_heap(const char *name, int64 key, bool or_above, LOCKMODE lock,
                          Relation *parent, int64 *end);
extern void close_heap(Relation heap, Relation parent);

#endif /* PG_WALLET_PARTITIONS_H */
