/*
 * auth.c
 *		From the field Authorization to what the database says of the key.
 *
 * Keys are compared by their SHA-256 only: how long that takes tells nothing,
 * since nobody can choose a hash.  Those that the loop does not know are asked
 * for together, in one statement at a time (db/batches.c), so that whoever sends
 * invented keys by the thousand has them looked up by the thousand.
 */
#include "api/auth.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client.h"

#define KEY_FRESH_MS 750 /* less than the second that is promised, by what an answer takes */
#define CACHE_SETS 256
#define CACHE_WAYS 4
#define REALM "Bearer realm=\"pg_wallet\""
#define TOKEN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

/* One of CACHE_WAYS places for each first byte of a hash. */
typedef Key KeyTable[CACHE_SETS][CACHE_WAYS];

struct KeyCache
{
	KeyTable known;
	KeyTable unknown;
};

static const struct
{
	const char *name;
	Scope scope;
} scopes[] = {{"read", SCOPE_READ},
              {"transfer", SCOPE_TRANSFER},
              {"deposit", SCOPE_DEPOSIT},
              {"operator", SCOPE_OPERATOR}};

#define SCOPE_COUNT (sizeof(scopes) / sizeof(scopes[0]))

KeyCache *
auth_create_cache(void)
{
	return calloc(1, sizeof(KeyCache));
}

static const Key *
table_find(KeyTable *table, const unsigned char *hash, int64_t now_ms)
{
	const Key *set = (*table)[hash[0]];

	for (int i = 0; i < CACHE_WAYS; i++)
		if (now_ms < set[i].fresh_until_ms && memcmp(set[i].hash, hash, KEY_HASH_SIZE) == 0)
			return &set[i];
	return NULL;
}

/* Keeps a key in its own place, or in that of the one checked longest ago. */
static void
table_keep(KeyTable *table, const Key *key)
{
	Key *set = (*table)[key->hash[0]];
	Key *place = &set[0];

	for (int i = 0; i < CACHE_WAYS; i++)
	{
		if (memcmp(set[i].hash, key->hash, KEY_HASH_SIZE) == 0)
		{
			place = &set[i];
			break;
		}
		if (set[i].checked_at_ms < place->checked_at_ms)
			place = &set[i];
	}
	*place = *key;
}

/* Bearer 1*SP b64token (RFC 6750, section 2.1), blanks after it passed over. */
static bool
read_token(const char *value, const char **token, size_t *length)
{
	if (strncasecmp(value, "Bearer ", 7) != 0)
		return false;
	*token = value + 6 + strspn(value + 6, " ");
	*length = strspn(*token, TOKEN_CHARACTERS);
	return *length > 0 && (*token)[*length + strspn(*token + *length, " \t")] == '\0';
}

static Scope
needed_scope(const Client *client)
{
	return client->method == METHOD_POST ? client->route->post_scope : client->route->read_scope;
}

static void
refuse_key(Client *client, bool has_key)
{
	reply_problem(client, CODE_UNAUTHENTICATED, NULL);
	reply_field(client, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
	            has_key ? REALM ", error=\"invalid_token\"" : REALM);
}

static void
refuse_scope(Client *client)
{
	char challenge[128];
	size_t i = 0;

	while (i < SCOPE_COUNT - 1 && scopes[i].scope != needed_scope(client))
		i++;
	snprintf(challenge, sizeof(challenge), REALM ", error=\"insufficient_scope\", scope=\"%s\"",
	         scopes[i].name);
	reply_problem(client, CODE_INSUFFICIENT_SCOPE, NULL);
	reply_field(client, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
}

static void
refuse_user(Client *client)
{
	reply_problem(client, CODE_WRONG_USER, NULL);
	reply_field(client, MHD_HTTP_HEADER_WWW_AUTHENTICATE, REALM ", error=\"insufficient_scope\"");
}

/* Whether a key of which the database has told suffices. */
static bool
suffices(Client *client)
{
	if (client->key.scopes == 0)
		refuse_key(client, true);
	else if (!(client->key.scopes & (needed_scope(client) | SCOPE_OPERATOR)))
		refuse_scope(client);
	else
		return true;
	return false;
}

static unsigned
read_scopes(const char *names)
{
	unsigned set = 0;

	for (; names != NULL && *names != '\0'; names += strspn(names, " "))
	{
		size_t length = strcspn(names, " ");

		for (size_t i = 0; i < SCOPE_COUNT; i++)
			if (strlen(scopes[i].name) == length && memcmp(scopes[i].name, names, length) == 0)
				set |= scopes[i].scope;
		names += length;
	}
	return set;
}

/* A key is asked for again when it expires: nobody else's clock says whether it has. */
static int64_t
fresh_ms(const char *expires_in_ms)
{
	int64_t left_ms = expires_in_ms ? strtoll(expires_in_ms, NULL, 10) : KEY_FRESH_MS;

	return left_ms < KEY_FRESH_MS ? left_ms : KEY_FRESH_MS;
}

static void
outcome_of_key(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	KeyCache *cache = client->http->keys;
	const char *user_id;

	if (result->code != CODE_OK)
	{
		reply_problem(client, result->code, result->message);
		client_go_on(client);
		return;
	}
	client->key.scopes = read_scopes(db_value(result, 0, KEY_SCOPES));
	user_id = db_value(result, 0, KEY_USER_ID);
	client->key.user_id = user_id ? strtoll(user_id, NULL, 10) : 0;
	client->key.fresh_until_ms =
	    client->key.checked_at_ms + fresh_ms(db_value(result, 0, KEY_EXPIRES_IN_MS));
	table_keep(client->key.scopes ? &cache->known : &cache->unknown, &client->key);
	suffices(client);
	client_go_on(client);
}

/* Whether what the loop knows of the key decides; then it is the client's. */
static bool
is_known(Client *client)
{
	KeyCache *cache = client->http->keys;
	int64_t now_ms = client->http->now_ms;
	const Key *key = table_find(&cache->known, client->key.hash, now_ms);

	if (key == NULL)
		key = table_find(&cache->unknown, client->key.hash, now_ms);
	if (key != NULL)
		client->key = *key;
	return key != NULL;
}

static bool
ask(Client *client)
{
	client->key.checked_at_ms = client->http->now_ms;
	client->key_phase = client->phase;
	client->item.key_hash = client->key.hash;
	route_submit(client, DB_KEY, outcome_of_key);
	return client->phase == PHASE_WAITING;
}

/*
 * Whether the database is asked for a key before the body is there: where a
 * body may be large, or comes only when it is called for.  With any other the
 * request is not suspended at its head, since libmicrohttpd, resumed there,
 * begins by reading, and drops a request that is all there when it finds that
 * the client has closed its end.
 */
static bool
asks_early(const Client *client)
{
	return client->head.expects_continue || client->head.content_length > BODY_SIZE_MAX ||
	       client->route->post == POSTING_MANY;
}

bool
auth_begin(Client *client)
{
	const RequestHead *head = &client->head;
	const char *token;
	size_t length;

	client->key = (Key){0};
	if (client->http->keys == NULL || needed_scope(client) == 0)
		return true;
	if (head->authorization_count != 1 || !read_token(head->authorization, &token, &length) ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, token, length, client->key.hash) != 0)
	{
		refuse_key(client, head->authorization_count > 0);
		return false;
	}
	client->key_phase = PHASE_IDLE;
	if (is_known(client))
		return suffices(client);
	return asks_early(client) ? ask(client) : true;
}

bool
auth_confirm(Client *client)
{
	bool is_fresh = client->http->now_ms < client->key.fresh_until_ms;

	if (client->http->keys == NULL || needed_scope(client) == 0)
		return true;
	/* Asked for it just now, or once more: however long the answer took, it is one. */
	if (is_fresh || client->key_phase == PHASE_COMPLETE || is_known(client))
		return suffices(client);
	return ask(client);
}

bool
auth_allows_user(Client *client, int64_t user_id)
{
	if (client->key.user_id == 0 || client->key.user_id == user_id)
		return true;
	refuse_user(client);
	return false;
}

bool
auth_allows_payload(Client *client, const char *text, size_t length)
{
	int64_t user_id;

	if (client->key.user_id == 0)
		return true;
	if (json_read_user_id(text, length, &user_id))
		return auth_allows_user(client, user_id);
	refuse_user(client);
	return false;
}
