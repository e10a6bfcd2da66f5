/*
 * gap.h
 *		Ids below the highest one seen whose rows are not visible yet.
 */
#ifndef PG_WALLET_GAP_H
#define PG_WALLET_GAP_H

#include "base/version.h"

typedef struct Gap
{
	int64 first;
	int64 last;
	uint64 horizon; /* full transaction id; see queue/gaps.h */
} Gap;

#endif /* PG_WALLET_GAP_H */
