/*
 * chosen.h
 *		Hashing and sorting of values that a caller chooses.
 *
 * A caller who knows a hash function can choose ids that all collide, and a caller who knows a
 * quicksort can choose an order in which it takes quadratic time.  So ids are hashed with a random
 * key of the process, and what is sorted in an order of a caller's choice is shuffled first.
 */
#ifndef PG_WALLET_CHOSEN_H
#define PG_WALLET_CHOSEN_H

#include "base/version.h"

/* SipHash-1-3 of an id.  The key is made when the process needs it first. */
extern uint32 chosen_hash(int64 id);

/* Put pointers into a random order, before qsort. */
extern void chosen_shuffle(void **items, int count);

#endif /* PG_WALLET_CHOSEN_H */
