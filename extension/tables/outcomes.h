/*
 * outcomes.h
 *		The table of outcomes.
 */
#ifndef PG_WALLET_OUTCOMES_H
#define PG_WALLET_OUTCOMES_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "rules/codes.h"
#include "rules/post.h"

/* What became of a request that has no transfer of its own. */
typedef struct Outcome
{
	int64 request_id;
	WalletCode code;
	bool sees_batch; /* a queued read of a wallet that its own batch had written before */
	int64 wallet_id; /* 0 for none */
	int64 balance;   /* what a queued read saw */
	TimestampTz updated_at;
	WalletStatus status;
} Outcome;

/*
 * In the order of the requests' ids.  The moment of a read is posted_at, or the wallet's updated_at
 * where that is later.
 */
extern void outcomes_insert(const Outcome *outcomes, int count, TimestampTz posted_at);

#endif /* PG_WALLET_OUTCOMES_H */
