/*
 * handshake.h
 *		Names of requests that nobody can guess.
 */
#ifndef PG_WALLET_HANDSHAKE_H
#define PG_WALLET_HANDSHAKE_H

#include "base/version.h"

#include "rules/operation.h"

#define HANDSHAKE_TEXT_LENGTH 64

typedef struct HandshakeSealer HandshakeSealer;

/* Reads the key.  The sealer is freed and wiped with the current memory context. */
extern HandshakeSealer *handshake_sealer_make(void);

/*
 * Store the sealer's key where this database is a copy that has not stored a key of its own yet,
 * unless another transaction does so just now.  In a transaction that may write.
 */
extern void handshake_keep_key(const HandshakeSealer *sealer);

/* The handshake of a request, as text; the same request always has the same. */
extern text *handshake_seal(HandshakeSealer *sealer, const Request *request);

/*
 * The request that a handshake names, if it was made for this kind and user; 0 if it was not.
 * The handshake of a queued read serves for its wallet.
 */
extern int64 handshake_open(HandshakeSealer *sealer, RequestKind kind, int64 user_id,
                            const char *handshake, int length);

/*
 * The same in two steps, for a handshake as bytes whose user is not known: the id of the request
 * that it may name, and, once the request has been read, whether it names that request.
 */
extern int64 handshake_request_id(HandshakeSealer *sealer,
                                  const unsigned char bytes[HANDSHAKE_SIZE]);
extern bool handshake_names(HandshakeSealer *sealer, const unsigned char bytes[HANDSHAKE_SIZE],
                            int64 request_id, int64 user_id, RequestKind kind);

/*
 * The request that a handshake names, whatever its kind, if it was made for this user; 0 if it was
 * not.  *kind is the kind to try first, and is set to the one that fits: of many handshakes most
 * have the kind of the one before.
 */
extern int64 handshake_open_any(HandshakeSealer *sealer, RequestKind *kind, int64 user_id,
                                const char *handshake, int length);

#endif /* PG_WALLET_HANDSHAKE_H */
