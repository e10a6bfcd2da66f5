/*
 * refusal.h
 *		Codes as errors, and whose fault other errors are.
 */
#ifndef PG_WALLET_REFUSAL_H
#define PG_WALLET_REFUSAL_H

#include "base/version.h"

#include "rules/codes.h"

/* Raise the error of this code; detail may be NULL, else it is a full sentence. */
extern pg_noreturn void refuse(WalletCode code, const char *detail);

/* The same with a message that is more specific than the code's own. */
extern pg_noreturn void refuse_with_message(WalletCode code, const char *message);

/*
 * Is a request to blame for this error, so that it may be refused with internal_error?  No space, a
 * shutdown, a deadlock, a sequence at its end, a table that an operator has changed and the like
 * are nobody's fault.
 */
extern bool is_fault_of_request(const ErrorData *error);

/* How a request ends that is to blame for this error: with the error's own code, if it is one of
 * ours, or with internal_error. */
extern WalletCode outcome_of_error(const ErrorData *error);

#endif /* PG_WALLET_REFUSAL_H */
