/*
 * batch.h
 *		Posts one batch.
 */
#ifndef PG_WALLET_BATCH_H
#define PG_WALLET_BATCH_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "rules/codes.h"
#include "rules/post.h"

/*
 * Move money between locked wallets, NULL where there is none; the outside is filled in for a
 * deposit or a withdrawal.  On CODE_OK the wallets have changed and the transfer is to be stored;
 * it may have been posted later than now, as post_transfer says.
 */
extern WalletCode post_money(const Request *request, Wallet *source, Wallet *destination,
                             TimestampTz now, Transfer *transfer);

/*
 * Make a wallet, with its initial amount as a deposit.  On CODE_OK the wallet is to be stored,
 * and so is the deposit unless its transfer_id is 0.  The currency is NULL when it is not known.
 */
extern WalletCode post_new_wallet(const Request *request, bool user_has_wallet,
                                  const Currency *currency, TimestampTz posted_at, Wallet *wallet,
                                  Transfer *deposit);

/* What became of one request of a batch. */
typedef enum RequestFate
{
	FATE_POSTED,
	FATE_REFUSED,
	FATE_DEFERRED
} RequestFate;

/* A request that is refused whatever the rules say, since it has failed alone. */
typedef struct Culprit
{
	int64 request_id; /* 0 for none */
	WalletCode code;
} Culprit;

/* How many requests the next batch should have at the most. */
extern int batch_size(void);

/*
 * Post requests in their order; those that touch a wallet that is locked elsewhere, or that an
 * earlier deferred request touches, are deferred.  The culprit is refused with its code.  False
 * when somebody else came across: nothing is left of it then, and a batch of what batch_size says
 * now comes next.
 */
extern bool batch_post(const Request *requests, int count, const Culprit *culprit,
                       RequestFate *fates);

#endif /* PG_WALLET_BATCH_H */
