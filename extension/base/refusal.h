/*
 * refusal.h
 *		Codes as errors, and whose fault other errors are.
 */
#ifndef PG_WALLET_REFUSAL_H
#define PG_WALLET_REFUSAL_H

#include "base/version.h"

#include "rules/codes.h"

/* The SQLSTATE of a code, but CODE_OK, as errcode takes it. */
extern int sqlstate_of(WalletCode code);

/* Raises the error of this code.  detail is NULL or a full sentence. */
extern pg_noreturn void refuse(WalletCode code, const char *detail);

/* Raises the error of this code with a message that is more specific than the code's own. */
extern pg_noreturn void refuse_with_message(WalletCode code, const char *message);

/*
 * Whether a request has caused this error by its own data, so that the request may be refused.
 * False for a lack of disk space, a shutdown, a deadlock, a sequence at its end, a table that an
 * operator has changed, and the like.
 */
extern bool is_fault_of_request(const ErrorData *error);

/*
 * The outcome of a request that has caused this error: the code whose SQLSTATE the error has, or
 * CODE_INTERNAL_ERROR when the error is none of our codes.
 */
extern WalletCode outcome_of_error(const ErrorData *error);

#endif /* PG_WALLET_REFUSAL_H */
