/*
 * chosen.h
 *		Hashing and sorting of values that a caller chooses.
 *
 * A caller who knows a hash function can choose ids that all collide.  A caller who knows a
 * quicksort can choose an order that makes the sort take quadratic time.  So ids are hashed with a
 * random key, which each process makes for itself, and callers' items are shuffled before a sort.
 */
#ifndef PG_WALLET_CHOSEN_H
#define PG_WALLET_CHOSEN_H

#include "base/version.h"

/* A hash of an id, with the random key of this process. */
extern uint32 chosen_hash(int64 id);

/* Put pointers into a random order, before qsort. */
extern void chosen_shuffle(void **items, int count);

#endif /* PG_WALLET_CHOSEN_H */
