/*
 * wallet.h
 *		The rules of what is about one wallet.
 */
#ifndef PG_WALLET_WALLET_H
#define PG_WALLET_WALLET_H

#include "rules/effects.h"

extern Rule rule_wallet;
extern Rule rule_wallet_read;

/*
 * What follows is no kind of request, and an operator's alone.
 *
 * A change of a wallet's status.  A closed wallet may become active again.  The status that is
 * there already is CODE_OK.
 */
extern WalletCode rule_status(int64_t wallet_id, WalletStatus status, WorkingSet *set,
                              Effects *effects);

/*
 * Closes a wallet, after its whole balance has been moved to another one, where sweep_to is not 0.
 * The operation names the two as source and destination; it makes a row of kind sweep.
 */
extern WalletCode rule_close(const Operation *operation, WorkingSet *set, Effects *effects);

/* New limits of a wallet.  AMOUNT_NONE: what is there stays. */
typedef struct Limits
{
	Amount floor;
	Amount ceiling;
	bool no_ceiling; /* takes the ceiling away; then ceiling is AMOUNT_NONE */
} Limits;

extern WalletCode rule_limits(int64_t wallet_id, const Limits *limits, WorkingSet *set,
                              Effects *effects);

#endif /* PG_WALLET_WALLET_H */
