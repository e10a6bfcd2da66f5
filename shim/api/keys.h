/*
 * keys.h
 *		What the database said of API keys, and for how long it is taken for true.
 *
 * The database knows the SHA-256 of each key and what the key may do (wallet_api_key_check_many).
 * Each event loop keeps what it was told for less than a second, so that a busy client costs next
 * to nothing, and a revoked key is refused within a second, whatever the number of shims.  A key
 * that is about to expire is kept no longer than it lasts: the database says in how many
 * milliseconds that is, so that its clock alone counts.  What is kept is bounded.  Keys that do not
 * exist have a table of their own: they displace no good one.
 */
#ifndef WALLET_SHIM_KEYS_H
#define WALLET_SHIM_KEYS_H

#include "db/db.h"

/* Sets of scopes are sums. */
typedef enum Scope
{
	SCOPE_READ = 1,
	SCOPE_TRANSFER = 2,
	SCOPE_DEPOSIT = 4,
	SCOPE_OPERATOR = 8, /* all of the others */
	SCOPE_CAPTURE = 16,
	SCOPE_REVERSE = 32
} Scope;

#define KEY_NAME_SIZE 64
#define MAX_AMOUNT_SIZE 32 /* 19 digits, a point, 8 decimals, the end */

/* What the database said of a key. */
typedef struct Key
{
	unsigned char hash[KEY_HASH_SIZE];
	unsigned scopes;          /* a set; 0: the key is not known, or revoked, or has expired */
	int64_t user_id;          /* for whom alone it acts; 0: for anybody */
	char name[KEY_NAME_SIZE]; /* "": not known; a long one is cut */
	char max_amount[MAX_AMOUNT_SIZE]; /* what one row may move or hold; "": there is no bound */
	int requests_per_second;          /* 0: there is no bound */
	int64_t checked_at_ms;            /* when the database was asked; 0: never */
	int64_t fresh_until_ms;           /* until then this is taken for what the database would say */
} Key;

typedef struct KeyCache KeyCache;

/* An empty cache, to be freed with free(); NULL: no memory. */
KeyCache *keys_create(void);

/* A key that is fresh, by its hash; NULL when the database must be asked. */
const Key *keys_find(KeyCache *cache, const unsigned char *hash, int64_t now_ms);

/* Fills a key, whose hash and checked_at_ms are set, from the database's answer, and keeps it. */
void keys_keep(KeyCache *cache, Key *key, const DbResult *result);

/* Writes the names of a set of scopes, with blanks between them. */
#define SCOPE_NAMES_SIZE 64
void scope_names(unsigned scopes, char names[SCOPE_NAMES_SIZE]);

#endif /* WALLET_SHIM_KEYS_H */
