/*
 * wallet.h
 *		The rules of what is about one wallet.
 */
#ifndef PG_WALLET_WALLET_H
#define PG_WALLET_WALLET_H

#include "rules/effects.h"

extern Rule rule_wallet;
extern Rule rule_wallet_read;

/* A change of a wallet's status, which is no kind of request. */
extern WalletCode rule_status(int64_t wallet_id, WalletStatus status, WorkingSet *set,
                              Effects *effects);

#endif /* PG_WALLET_WALLET_H */
