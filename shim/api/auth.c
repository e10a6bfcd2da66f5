/*
 * auth.c
 *		From the field Authorization to what the database says of the key.
 *
 * Keys that the loop does not know are asked for together, in one statement at a time, so that
 * whoever sends invented keys by the thousand has them looked up by the thousand.
 */
#include "api/auth.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/array.h"
#include "api/limits.h"
#include "http/reply.h"

#define REALM "Bearer realm=\"pg_wallet\""
#define TOKEN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

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

bool
auth_is_token(const char *text, size_t length)
{
	return strspn(text, TOKEN_CHARACTERS) == length;
}

bool
auth_has_token(const Request *request, const unsigned char *hash)
{
	const RequestHead *head = &request->client.head;
	unsigned char given[KEY_HASH_SIZE];
	const char *token;
	size_t length;

	return head->authorization_count == 1 && read_token(head->authorization, &token, &length) &&
	       gnutls_hash_fast(GNUTLS_DIG_SHA256, token, length, given) == 0 &&
	       gnutls_memcmp(given, hash, sizeof(given)) == 0;
}

/* One of the scopes of this set is needed; 0: none is. */
static unsigned
needed_scopes(const Request *request)
{
	if (request->method != METHOD_POST)
		return request->route->read_scope;
	return request->route->kind != NULL ? request->route->kind->scopes : kinds_scopes;
}

static void
refuse_key(Request *request, bool has_key)
{
	reply_problem(&request->client, CODE_UNAUTHENTICATED, NULL);
	reply_field(&request->client, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
	            has_key ? REALM ", error=\"invalid_token\"" : REALM);
}

void
auth_refuse_scopes(Request *request, unsigned scopes)
{
	char challenge[128];
	char names[SCOPE_NAMES_SIZE];

	scope_names(scopes, names);
	snprintf(challenge, sizeof(challenge), REALM ", error=\"insufficient_scope\", scope=\"%s\"",
	         names);
	reply_problem(&request->client, CODE_INSUFFICIENT_SCOPE, NULL);
	reply_field(&request->client, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
}

/* Whether the key may make this request now, which counts once however often it is asked. */
static bool
is_within_limit(Request *request)
{
	const Key *key = &request->key;

	if (key->requests_per_second == 0 || request->is_limited)
		return true;
	request->is_limited = true;
	return limits_take(key->hash, key->requests_per_second, request->client.http->now_ms);
}

/* Whether a key of which the database has told suffices. */
static bool
suffices(Request *request)
{
	assert(needed_scopes(request) != 0);
	if (request->key.scopes == 0)
		refuse_key(request, true);
	else if (!is_within_limit(request))
		reply_problem(&request->client, CODE_RATE_LIMITED, NULL);
	else if (!(request->key.scopes & (needed_scopes(request) | SCOPE_OPERATOR)))
		auth_refuse_scopes(request, needed_scopes(request));
	else
		return true;
	return false;
}

static void
outcome_of_key(Request *request, const DbResult *result)
{
	if (result->code != CODE_OK)
		reply_problem(&request->client, result->code, result->message);
	else
	{
		keys_keep(request_api(request)->keys, &request->key, result);
		suffices(request);
	}
	request_go_on(request);
}

/* Whether the loop knows the key; then copies what it knows to the request. */
static bool
is_known(Request *request)
{
	const Key *key =
	    keys_find(request_api(request)->keys, request->key.hash, request->client.http->now_ms);

	if (key != NULL)
		request->key = *key;
	return key != NULL;
}

static void
ask(Request *request)
{
	request->key.checked_at_ms = request->client.http->now_ms;
	request->key_phase = request->client.phase;
	request->item.key_hash = request->key.hash;
	request_submit(request, DB_KEY, outcome_of_key);
}

/*
 * Whether the database is asked for a key before the body is there: where a body may be large,
 * and where the client sends its body only when it is told to.  All other requests are suspended
 * when they are complete: libmicrohttpd, resumed at the head of a request, begins by reading
 * from the socket, and drops a complete request when it finds that the client has closed its
 * end.
 */
static bool
asks_early(const Request *request)
{
	const RequestHead *head = &request->client.head;

	return head->expects_continue || head->content_length > BODY_SIZE_MAX ||
	       request->route->post == POSTING_MANY;
}

/* Whether the request needs a key at all. */
static bool
needs_key(const Request *request)
{
	return request_api(request)->keys != NULL && needed_scopes(request) != 0;
}

void
auth_begin(Request *request)
{
	const RequestHead *head = &request->client.head;
	const char *token;
	size_t length;

	assert(request->client.phase == PHASE_RECEIVING);
	request->key = (Key){0};
	request->key_phase = PHASE_IDLE;
	request->is_limited = false;
	if (!needs_key(request))
		return;
	if (head->authorization_count != 1 || !read_token(head->authorization, &token, &length) ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, token, length, request->key.hash) != 0)
		refuse_key(request, head->authorization_count > 0);
	else if (is_known(request))
		suffices(request);
	else if (asks_early(request))
		ask(request);
}

bool
auth_confirm(Request *request)
{
	bool is_fresh = request->client.http->now_ms < request->key.fresh_until_ms;

	assert(request->client.phase == PHASE_COMPLETE);
	if (!needs_key(request))
		return true;
	/* Asked for just now, or once more: however long the answer took, it is one. */
	if (is_fresh || request->key_phase == PHASE_COMPLETE || is_known(request))
		return suffices(request);
	ask(request);
	return false;
}

bool
auth_speaks_for_all(const Request *request)
{
	return request_api(request)->keys == NULL ||
	       (request->key.user_id == 0 && (request->key.scopes & SCOPE_OPERATOR));
}

void
auth_tell(Request *request)
{
	const Key *key = &request->key;
	DbItem *item = &request->item;

	item->rights = 0;
	if (auth_speaks_for_all(request))
		item->rights = RIGHT_ALL_USERS | RIGHT_REVERSE;
	else if (key->user_id == 0 && (key->scopes & SCOPE_REVERSE))
		item->rights = RIGHT_REVERSE;
	item->max_amount = key->max_amount[0] != '\0' ? key->max_amount : NULL;
}

static unsigned
missing_scopes(const Request *request, const Kind *kind)
{
	return request->key.scopes & (kind->scopes | SCOPE_OPERATOR) ? 0 : kind->scopes;
}

/*
 * What the first leg needs whose scopes are missing.  The payload is JSON as a whole.  The database
 * refuses what stands for the legs and is no array, an array of more than LEGS_MAX, and a leg that
 * names no kind, or names its kind with escapes.
 */
static unsigned
missing_of_legs(const Request *request, const Slice *legs)
{
	Slice slices[LEGS_MAX];
	unsigned missing = 0;
	size_t count;

	if (array_split(legs->text, legs->length, slices, LEGS_MAX, &count) != CODE_OK ||
	    count > LEGS_MAX)
		return 0;
	for (size_t i = 0; i < count && missing == 0; i++)
	{
		Payload leg;
		const Kind *kind = NULL;

		if (question_read_payload(slices[i].text, slices[i].length, &leg) == CODE_OK)
			kind = payload_kind(&leg);
		if (kind != NULL)
			missing = missing_scopes(request, kind);
	}
	return missing;
}

unsigned
auth_missing_scopes(const Request *request, const Kind *kind, const Payload *payload)
{
	unsigned missing = 0;

	if (request_api(request)->keys == NULL)
		return 0;
	missing = missing_scopes(request, kind);
	if (missing == 0 && payload->legs.text != NULL)
		missing = missing_of_legs(request, &payload->legs);
	return missing;
}

bool
auth_allows_user(Request *request, int64_t user_id)
{
	if (request->key.user_id == 0 || request->key.user_id == user_id)
		return true;
	reply_problem(&request->client, CODE_WRONG_USER, NULL);
	reply_field(&request->client, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
	            REALM ", error=\"insufficient_scope\"");
	return false;
}
