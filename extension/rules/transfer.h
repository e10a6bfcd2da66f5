/*
 * transfer.h
 *		The rules of what moves money: transactions, fees, deposits and withdrawals; and what other
 *		rules share with them.
 */
#ifndef PG_WALLET_TRANSFER_H
#define PG_WALLET_TRANSFER_H

#include "rules/effects.h"

extern Rule rule_transaction;
extern Rule rule_deposit;
extern Rule rule_withdrawal;

/* Available money and its parts may leave 64 bits. */
__extension__ typedef __int128 Wide;

/* balance - held - floor, where held leaves the due holds out.  May be negative. */
extern Wide wallet_available(const Wallet *wallet);

/* CODE_WALLET_CLOSED or CODE_WALLET_FROZEN where one of the two is; the outside is neither. */
extern WalletCode check_statuses(const Wallet *source, const Wallet *destination);

/* May somebody who asks for this operation ask for what is this wallet's? */
extern bool is_owner(const Operation *operation, const Wallet *wallet);

/* CODE_AMOUNT_ABOVE_LIMIT where the asker may not move so much in one row. */
extern WalletCode check_max_amount(const Operation *operation, int64_t amount,
                                   const Currency *currency);

/* What a share of a split that is parts gets of the total, rounded down. */
extern int64_t amount_of_parts(int64_t total, const Share *share);

/* CODE_INSUFFICIENT_FUNDS where less is available. */
extern WalletCode check_funds(const Wallet *source, Wide amount);

/* CODE_BALANCE_LIMIT where a balance would leave 64 bits, or rise above the ceiling. */
extern WalletCode check_balances(const Wallet *source, const Wallet *destination, Wide amount);

#endif /* PG_WALLET_TRANSFER_H */
