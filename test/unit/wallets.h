/*
 * wallets.h
 *		A currency, wallets and a bank for the programs of this folder.
 */
#ifndef PG_WALLET_TEST_WALLETS_H
#define PG_WALLET_TEST_WALLETS_H

#include <string.h>

#include "bank.h"

static const Currency usd = {.code = "usd", .minor_digits = 2, .outside_wallet_id = -840};

static inline bool
find_currency(const char *code, Currency *currency)
{
	if (strcmp(code, usd.code) != 0)
		return false;
	*currency = usd;
	return true;
}

/* Wallets as the cases below name them: user 1 owns wallet 1. */
static inline Wallet
make_wallet(int64_t wallet_id, int64_t balance, WalletStatus status, const Currency *currency)
{
	return (Wallet){
	    .wallet_id = wallet_id,
	    .user_id = wallet_id,
	    .balance = balance,
	    .ceiling = NO_CEILING,
	    .status = status,
	    .currency = *currency,
	};
}

static TestBank bank;

#endif /* PG_WALLET_TEST_WALLETS_H */
