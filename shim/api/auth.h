/*
 * auth.h
 *		API keys: who asks, and whether that one may.
 *
 * A key comes with each request as Authorization: Bearer KEY.  The database
 * knows the SHA-256 of each key and what it may do (wallet_api_key_check_many).
 * Each event loop keeps what it was told for less than a second, so that a busy
 * client costs next to nothing and a revoked key is refused within a second,
 * whatever the number of shims.  A key that is about to expire is kept no longer
 * than it lasts: the database says in how many milliseconds that is, so that its
 * clock alone counts.  What is kept is bounded, and keys that do not exist have a
 * table of their own: they displace no good one.
 */
#ifndef WALLET_SHIM_AUTH_H
#define WALLET_SHIM_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* Sets of scopes are sums. */
typedef enum Scope
{
	SCOPE_READ = 1,
	SCOPE_TRANSFER = 2,
	SCOPE_DEPOSIT = 4,
	SCOPE_OPERATOR = 8 /* all of the others */
} Scope;

/* What the database said of a key. */
typedef struct Key
{
	unsigned char hash[KEY_HASH_SIZE];
	unsigned scopes;        /* a set; 0: the key is not known, or revoked, or has expired */
	int64_t user_id;        /* for whom alone it acts; 0: for anybody */
	int64_t checked_at_ms;  /* when the database was asked; 0: never */
	int64_t fresh_until_ms; /* until then that is taken for what the database would say */
} Key;

typedef struct KeyCache KeyCache;
struct Client;

/* An empty cache, to be freed with free(); NULL: no memory. */
KeyCache *auth_create_cache(void);

/*
 * Checks the key of a request whose head is there.  False when the reply is a
 * refusal, which then is in the client.  Otherwise its phase may be PHASE_WAITING
 * while the database is being asked: suspend it, and handle the request as soon
 * as it is resumed.  Where the body is small auth_confirm asks instead.
 */
bool auth_begin(struct Client *client);

/*
 * The same for a request that is all there, which may have taken so long that
 * the key has been revoked since.
 */
bool auth_confirm(struct Client *client);

/* Whether the key acts for a user; else the refusal is in the client. */
bool auth_allows_user(struct Client *client, int64_t user_id);

/* The same for the user whom a POST's payload names. */
bool auth_allows_payload(struct Client *client, const char *text, size_t length);

#endif /* WALLET_SHIM_AUTH_H */
