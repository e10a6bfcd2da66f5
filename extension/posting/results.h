/*
 * results.h
 *		Wallets and transfers as rows of wallet.wallet_info, wallet.transfer_info and
 *		wallet.operation_info.
 */
#ifndef PG_WALLET_RESULTS_H
#define PG_WALLET_RESULTS_H

#include "base/version.h"

#include "rules/operation.h"

/* The result of a function that returns wallet.wallet_info. */
extern Datum wallet_result(FunctionCallInfo fcinfo, const Wallet *wallet);

/*
 * The result of a function that makes one row: wallet.transfer_info of a transaction, a deposit or
 * a withdrawal, else wallet.operation_info.
 */
extern Datum transfer_result(FunctionCallInfo fcinfo, const Transfer *transfer,
                             const Currency *currency);

/*
 * A function that returns a set of wallet.operation_info begins with transfer_results_open(), and
 * then puts one row after the other.
 */
extern void transfer_results_open(FunctionCallInfo fcinfo);
extern void transfer_results_put(FunctionCallInfo fcinfo, const Transfer *transfer,
                                 const Currency *currency);

#endif /* PG_WALLET_RESULTS_H */
