/*
 * batch.h
 *		Posts one batch.
 */
#ifndef PG_WALLET_BATCH_H
#define PG_WALLET_BATCH_H

#include "base/version.h"

#include "posting/ledger.h"
#include "rules/codes.h"
#include "rules/operation.h"

/* What became of one request of a batch: the code of its outcome, or FATE_DEFERRED. */
typedef int16 RequestFate;
#define FATE_DEFERRED (-1)

/* A request that is refused without being judged, since it has failed in a batch of its own. */
typedef struct Culprit
{
	int64 request_id; /* 0 for none */
	WalletCode code;
} Culprit;

/* How many requests the next batch holds at the most. */
extern int batch_size(void);

/*
 * Posts the requests in their order and says in fates what became of each.  A request is deferred
 * when it touches a wallet that another transaction holds, or that an earlier deferred request
 * touches.  The culprit is refused with its code.  Returns false, with nothing written, when
 * another transaction has changed a wallet meanwhile; then the caller posts the requests again, as
 * many as batch_size says now.
 */
extern bool batch_post(const Request *requests, int count, const Culprit *culprit,
                       RequestFate *fates);

/*
 * Updates the changed wallets in a subtransaction.  Returns false, and nothing of the update is
 * left, when another transaction has changed one of the wallets, or holds one for longer than
 * lock_timeout; without one (NULL) that is waited for.  Throws other errors as they are.
 */
extern bool batch_try_update(Ledger *ledger, const char *lock_timeout);

#endif /* PG_WALLET_BATCH_H */
