/*
 * payload.h
 *		The JSON of a request.
 *
 * Like PostgreSQL's own src/common, payload.c and values.c are compiled for the server and, with
 * FRONTEND defined, for programs: so their tests and fuzzers need no server.  They therefore know
 * no ereport, no memory context and no database.
 */
#ifndef PG_WALLET_PAYLOAD_H
#define PG_WALLET_PAYLOAD_H

#include "lib/stringinfo.h"

#include "rules/operation.h"

/*
 * Read a payload of this kind, which is valid text in this encoding.  On anything but CODE_OK the
 * message names the member and the limit; of several faults the one is told whose code stands first
 * in codes.h.  may_lack_user: the asker speaks for all users.  Never throws for bad input, whatever
 * it holds.  Legs are in the current memory context.
 */
extern WalletCode payload_parse(RequestKind kind, int encoding, const char *json, int length,
                                bool may_lack_user, Request *request, StringInfo message);

/* The same for an array of legs, which become a group that nobody asks for. */
extern WalletCode payload_parse_legs(int encoding, const char *json, int length, Operation *group,
                                     StringInfo message);

/*
 * Of a fault that payload_parse() has told and another one, or none (CODE_OK), the one that is to
 * be told: the first in codes.h; but an amount that no currency could hold stands before all rules.
 */
extern WalletCode payload_first_fault(WalletCode read, WalletCode other);

/*
 * operation_check() of an operation that has been read, with a message that names the leg and the
 * amount.
 */
extern WalletCode payload_check(const Operation *operation, int64 moment, StringInfo message);

/* The name of the member that has the amount, in payloads of this kind; "" where none has. */
extern const char *payload_amount_member(RequestKind kind);

#endif /* PG_WALLET_PAYLOAD_H */
