/*
 * auth.h
 *		API keys: who asks, and what the key may do.
 *
 * A key comes with each request as Authorization: Bearer KEY.
 */
#ifndef WALLET_SHIM_AUTH_H
#define WALLET_SHIM_AUTH_H

#include "api/question.h"
#include "api/request.h"

/*
 * Checks the key of a request whose head is there.  Afterwards the reply may be a refusal; or the
 * request waits while the database is asked, and goes on at its head.  Where the body is small,
 * auth_confirm asks instead.
 */
void auth_begin(Request *request);

/*
 * Checks the key once more when the request is all there, since the body may have taken so long
 * that the key has been revoked.  False when the reply is a refusal, or when the request waits:
 * then it is started again.
 */
bool auth_confirm(Request *request);

/* Whether a text may be a token of Authorization: Bearer. */
bool auth_is_token(const char *text, size_t length);

/* Whether the request has a token, other than an API key, of this SHA-256. */
bool auth_has_token(const Request *request, const unsigned char *hash);

/* Whether the asker speaks for all users: an operator's key that is bound to none, or no key. */
bool auth_speaks_for_all(const Request *request);

/* Writes into the request's item what the database is told of who asks. */
void auth_tell(Request *request);

/*
 * The scopes of which the key needs one for a payload of this kind, and has none; 0: it may ask.
 * A group needs one of the scopes of each leg's kind, too.
 */
unsigned auth_missing_scopes(const Request *request, const Kind *kind, const Payload *payload);

/* Refuses a request because its key lacks scopes, one of which is enough. */
void auth_refuse_scopes(Request *request, unsigned scopes);

/*
 * Whether the key acts for a user; user_id 0: the request names no user.  If not, the reply is a
 * refusal.
 */
bool auth_allows_user(Request *request, int64_t user_id);

#endif /* WALLET_SHIM_AUTH_H */
