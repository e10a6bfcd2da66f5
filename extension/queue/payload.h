/*
 * payload.h
 *		The JSON of a request.
 *
 * Like PostgreSQL's own src/common, payload.c is compiled for the server and,
 * with FRONTEND defined, for programs: so its tests and fuzzers need no server.
 * It therefore knows no ereport, no memory context and no database.
 */
#ifndef PG_WALLET_PAYLOAD_H
#define PG_WALLET_PAYLOAD_H

#include "lib/stringinfo.h"

#include "rules/operation.h"

/*
 * Read a payload of this kind, which is valid text in this encoding.  On anything but CODE_OK the
 * message names the member and the limit.  Never throws for bad input, whatever it holds.
 */
extern WalletCode payload_parse(RequestKind kind, int encoding, const char *json, int length,
                                Request *request, StringInfo message);

/* The name of the member that has the amount, in payloads of this kind; "" where none has. */
extern const char *payload_amount_member(RequestKind kind);

#endif /* PG_WALLET_PAYLOAD_H */
