/*
 * transfer.h
 *		The rules of what moves money between two wallets, one of which may be the outside.
 */
#ifndef PG_WALLET_TRANSFER_H
#define PG_WALLET_TRANSFER_H

#include "rules/effects.h"

extern Rule rule_transaction;
extern Rule rule_deposit;
extern Rule rule_withdrawal;

#endif /* PG_WALLET_TRANSFER_H */
