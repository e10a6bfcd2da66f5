/*
 * fingerprint.h
 *		What a request asks for, as bytes: what the fingerprint of an idempotency key is made from.
 */
#ifndef PG_WALLET_FINGERPRINT_H
#define PG_WALLET_FINGERPRINT_H

#include <stddef.h>

#include "rules/kinds.h"
#include "rules/operation.h"

/* Bytes of the largest value of a member. */
#define OPERATION_VALUE_MAX 32

/* Bytes of the largest operation: its kind, then for each member a name with its end and a value.
 */
#define OPERATION_BYTES_MAX sizeof(union OperationBytes)

union OperationBytes
{
#define OPERATION_MEMBER(name, ...) +sizeof(name) + OPERATION_VALUE_MAX
#define OPERATION_BOUND(symbol, number, name, path, scope, shape, transfers, members, ...)         \
	char of_##symbol[2 members(OPERATION_MEMBER)];
	WALLET_KINDS(OPERATION_BOUND)
#undef OPERATION_BOUND
#undef OPERATION_MEMBER
};

/*
 * Writes the request's kind and each member of its kind, and returns how many bytes those are.
 * operation_bytes_max() says for how many there must be room: OPERATION_BYTES_MAX for a request
 * without legs.
 *
 * Two requests have the same bytes when, and only when, they ask for the same: 1.1 and 1.10 are the
 * same amount.  A member that is zero, as those are that the payload has not given, is left out: so
 * a kind which gets one more member later keeps the bytes of the requests that do not give it.
 * Each leg of a group has its length before it.  valid_until is no part of what is asked for, since
 * clients compute it anew when they send a request again.  The order of bytes does not depend on
 * the machine.
 */
extern size_t operation_bytes_max(const Request *request);
extern size_t operation_to_bytes(const Request *request, unsigned char *bytes);

#endif /* PG_WALLET_FINGERPRINT_H */
