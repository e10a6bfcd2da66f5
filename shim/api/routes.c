/*
 * routes.c
 *		What each path means: from a request to an item for the database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/client.h"
#include "api/openapi.h"
#include "base/text.h"

#define PATH_SIZE 64

static void read_handshake(Client *client);
static void read_wallet(Client *client);
static void read_direct(Client *client);
static void read_history(Client *client);
static void read_health(Client *client);
static void read_ready(Client *client);
static void read_openapi(Client *client);

#define USER_ID MEMBER_BIT(MEMBER_USER_ID)
#define HANDSHAKE_ID MEMBER_BIT(MEMBER_HANDSHAKE_ID)
#define WALLET_ID MEMBER_BIT(MEMBER_WALLET_ID)
#define TRANSACTION_ID MEMBER_BIT(MEMBER_TRANSACTION_ID)
#define PAGE (MEMBER_BIT(MEMBER_BEFORE) | MEMBER_BIT(MEMBER_LIMIT))

/* clang-format off */
static const Route routes[] = {
	/* path, kind, shape, POST, its scope, scope of a read, members, required members, read */
	{"/api/v1/wallet", "wallet", SHAPE_WALLET, POSTING_ONE, SCOPE_DEPOSIT, SCOPE_READ, USER_ID | HANDSHAKE_ID | WALLET_ID, USER_ID, read_wallet},
	{"/api/v1/transaction", "transaction", SHAPE_TRANSACTION, POSTING_ONE, SCOPE_TRANSFER, SCOPE_READ, USER_ID | HANDSHAKE_ID, USER_ID | HANDSHAKE_ID, read_handshake},
	{"/api/v1/transaction/bulk", "transaction", SHAPE_TRANSACTION, POSTING_MANY, SCOPE_TRANSFER, 0, 0, 0, NULL},
	{"/api/v1/deposit", "deposit", SHAPE_TRANSACTION, POSTING_ONE, SCOPE_DEPOSIT, SCOPE_READ, USER_ID | HANDSHAKE_ID, USER_ID | HANDSHAKE_ID, read_handshake},
	{"/api/v1/withdrawal", "withdrawal", SHAPE_TRANSACTION, POSTING_ONE, SCOPE_TRANSFER, SCOPE_READ, USER_ID | HANDSHAKE_ID, USER_ID | HANDSHAKE_ID, read_handshake},
	{"/api/v1/wallet/async", "wallet", SHAPE_WALLET, POSTING_NONE, 0, SCOPE_READ, USER_ID | WALLET_ID, USER_ID, read_direct},
	{"/api/v1/transaction/async", "transaction", SHAPE_TRANSACTION, POSTING_NONE, 0, SCOPE_READ, USER_ID | TRANSACTION_ID, USER_ID | TRANSACTION_ID, read_direct},
	{"/api/v1/wallet/history", "wallet", SHAPE_WALLET, POSTING_NONE, 0, SCOPE_READ, USER_ID | WALLET_ID | PAGE, USER_ID | WALLET_ID, read_history},
	{"/healthz", NULL, SHAPE_WALLET, POSTING_NONE, 0, 0, 0, 0, read_health},
	{"/readyz", NULL, SHAPE_WALLET, POSTING_NONE, 0, 0, 0, 0, read_ready},
	{"/openapi.json", NULL, SHAPE_WALLET, POSTING_NONE, 0, 0, 0, 0, read_openapi},
};
/* clang-format on */

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* The path with doubled slashes made one, and without the last; its length, 0 when too long. */
static size_t
normalize_path(const char *uri, size_t length, char path[PATH_SIZE])
{
	char decoded[PATH_SIZE];
	size_t size = percent_decode(uri, length, decoded, sizeof(decoded));
	size_t count = 0;

	if (size >= sizeof(decoded))
		return 0;
	for (size_t i = 0; i < size; i++)
		if (decoded[i] != '/' || count == 0 || path[count - 1] != '/')
			path[count++] = decoded[i];
	if (count > 1 && path[count - 1] == '/')
		count--;
	return count;
}

/*
 * Keeps the host of a target in absolute form, as sent to proxies (RFC 9112, section 3.2.2), before
 * libmicrohttpd decodes it; one that is too long becomes none.  Returns what is behind the host.
 */
static const char *
keep_authority(Client *client, const char *uri)
{
	size_t length = strcspn(uri, "/?");
	bool fits = length < sizeof(client->authority);

	snprintf(client->authority, sizeof(client->authority), "%.*s", fits ? (int) length : 0, uri);
	client->line.authority = client->authority;
	client->line.is_absolute = true;
	return uri + length;
}

void
route_find(Client *client, const char *uri)
{
	char path[PATH_SIZE];
	size_t length;
	const char *query;

	if (strncasecmp(uri, "http://", 7) == 0 || strncasecmp(uri, "https://", 8) == 0)
		uri = keep_authority(client, strstr(uri, "//") + 2);
	length = strcspn(uri, "?");
	query = uri[length] == '?' ? uri + length + 1 : "";
	length = normalize_path(uri, length, path);
	client->route = NULL;
	for (size_t i = 0; i < ROUTE_COUNT && client->route == NULL; i++)
		if (strlen(routes[i].path) == length && memcmp(routes[i].path, path, length) == 0)
			client->route = &routes[i];
	buffer_reset(&client->query);
	if (*query != '\0')
		buffer_put(&client->query, query, strlen(query) + 1);
}

static Method
method_by_name(const char *name)
{
	if (strcmp(name, "POST") == 0)
		return METHOD_POST;
	if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0 || strcmp(name, "QUERY") == 0)
		return METHOD_READ;
	if (strcmp(name, "OPTIONS") == 0)
		return METHOD_OPTIONS;
	return METHOD_OTHER;
}

static const char *
allowed_methods(const Route *route)
{
	if (route->read == NULL)
		return "OPTIONS, POST";
	if (route->post != POSTING_NONE)
		return "GET, HEAD, OPTIONS, POST, QUERY";
	return route->allowed ? "GET, HEAD, OPTIONS, QUERY" : "GET, HEAD, OPTIONS";
}

size_t
route_body_size_max(const Client *client)
{
	bool many = client->route != NULL && client->route->post == POSTING_MANY;

	return many ? BULK_BODY_SIZE_MAX : BODY_SIZE_MAX;
}

static bool
is_allowed(const Client *client, const char *method)
{
	const Route *route = client->route;

	switch (client->method)
	{
		case METHOD_POST:
			return route->post != POSTING_NONE;
		case METHOD_READ:
			return route->read != NULL && (route->allowed != 0 || strcmp(method, "QUERY") != 0);
		default:
			return client->method == METHOD_OPTIONS;
	}
}

/* What probes ask, which know an address at best: it says nothing of anybody. */
static bool
is_open_to_all(const Route *route)
{
	return route != NULL && (route->read == read_health || route->read == read_ready);
}

bool
route_admit(Client *client)
{
	const HttpConfig *config = &client->http->config;
	const char *message;
	WalletCode code;

	if (config->keys_needed || is_open_to_all(client->route))
		return true;
	code = origin_check(&client->line, &client->head, config->hosts, config->tls, &message);
	if (code != CODE_OK)
		reply_problem(client, code, message);
	return code == CODE_OK;
}

bool
route_begin(Client *client, const char *method)
{
	Remedy remedy = {0};
	char message[MESSAGE_SIZE];
	const Route *route = client->route;
	bool has_body = client->head.chunked || client->head.content_length > 0;
	WalletCode code = CODE_OK;

	if (route == NULL)
	{
		reply_problem(client, CODE_ROUTE_NOT_FOUND, NULL);
		return false;
	}
	client->method = method_by_name(method);
	if (!is_allowed(client, method))
	{
		reply_problem(client, CODE_METHOD_NOT_ALLOWED, NULL);
		reply_field(client, MHD_HTTP_HEADER_ALLOW, allowed_methods(route));
		return false;
	}
	if (client->method == METHOD_OPTIONS)
	{
		reply_empty(client, MHD_HTTP_NO_CONTENT);
		reply_field(client, MHD_HTTP_HEADER_ALLOW, allowed_methods(route));
		if (route->allowed != 0)
			reply_field(client, "Accept-Query", "\"application/json\"");
		return false;
	}
	if (has_body || client->method == METHOD_POST)
		code = guard_media_type(&client->head, &remedy, message);
	if (code == CODE_OK && client->method == METHOD_POST)
		code = guard_idempotency_key(&client->head,
		                             route->post == POSTING_MANY ? BULK_KEY_LENGTH_MAX
		                                                         : IDEMPOTENCY_KEY_LENGTH_MAX,
		                             message);
	if (code == CODE_OK)
		return auth_begin(client);
	reply_problem(client, code, message);
	if (remedy.field != NULL)
		reply_field(client, remedy.field, remedy.value);
	return false;
}

Db *
route_db(const Client *client, DbFunction function)
{
	bool writes = function == DB_ENQUEUE || function == DB_BULK ||
	              (function == DB_KEY && client->method == METHOD_POST);

	return client->http->dbs[writes ? DB_WRITES : DB_READS];
}

/* Reads alone never take all the places, so that a POST finds one while they are slow. */
static bool
has_place(const Client *client)
{
	const Http *http = client->http;
	int places = http->config.waiting_max;

	return http->waiting_count < places &&
	       (client->method == METHOD_POST || http->read_count < places - places / 4);
}

void
route_submit(Client *client, DbFunction function, void (*outcome)(DbItem *, const DbResult *))
{
	Http *http = client->http;
	Db *db = route_db(client, function);

	if (!db_available(db))
	{
		reply_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
		return;
	}
	if (!has_place(client))
	{
		reply_problem(client, CODE_OVERLOADED, NULL);
		return;
	}
	client->item.function = function;
	client->outcome = outcome;
	client->phase = PHASE_WAITING;
	http->waiting_count++;
	if (client->method != METHOD_POST)
		http->read_count++;
	outcome_await(client);
}

static void
read_handshake(Client *client)
{
	client->item.kind = client->route->kind;
	client->item.user_id = client->members.number[MEMBER_USER_ID];
	client->item.handshake_id = client->members.handshake_id;
	route_submit(client, DB_LOOKUP, outcome_of_lookup);
}

/* With a wallet_id in place of a handshake the reading itself is queued. */
static void
read_wallet(Client *client)
{
	bool by_handshake = client->members.given & HANDSHAKE_ID;
	bool by_wallet = client->members.given & WALLET_ID;

	if (by_handshake == by_wallet)
	{
		reply_problem(client, by_wallet ? CODE_UNKNOWN_MEMBER : CODE_MISSING_MEMBER,
		              by_wallet
		                  ? "members \"handshake_id\" and \"wallet_id\" exclude each other"
		                  : "member \"handshake_id\" is missing, or \"wallet_id\" in its place");
		return;
	}
	if (by_handshake)
	{
		read_handshake(client);
		return;
	}
	buffer_reset(&client->body);
	buffer_printf(&client->body, "{\"user_id\":%" PRId64 ",\"wallet_id\":%" PRId64 "}",
	              client->members.number[MEMBER_USER_ID], client->members.number[MEMBER_WALLET_ID]);
	client->item.kind = "wallet_read";
	client->item.payload = client->body.data;
	client->item.payload_length = client->body.length;
	client->item.idempotency_key = NULL;
	route_submit(client, DB_ENQUEUE, outcome_of_enqueue);
}

/* Without a wallet_id the user's one wallet is read. */
static void
read_direct(Client *client)
{
	Member id = client->route->shape == SHAPE_WALLET ? MEMBER_WALLET_ID : MEMBER_TRANSACTION_ID;

	client->item.kind = client->route->kind;
	client->item.user_id = client->members.number[MEMBER_USER_ID];
	client->item.id = client->members.number[id];
	route_submit(client, DB_READ, outcome_of_read);
}

static void
read_history(Client *client)
{
	client->item.user_id = client->members.number[MEMBER_USER_ID];
	client->item.id = client->members.number[MEMBER_WALLET_ID];
	client->item.before = client->members.number[MEMBER_BEFORE];
	client->item.max_rows = client->members.given & MEMBER_BIT(MEMBER_LIMIT)
	                            ? (int) client->members.number[MEMBER_LIMIT]
	                            : HISTORY_ROWS_DEFAULT;
	route_submit(client, DB_HISTORY, outcome_of_history);
}

static void
read_health(Client *client)
{
	reply_status(client, "ok");
}

static void
read_ready(Client *client)
{
	/* A connection that stores may be missing for a reason that one that reads can tell. */
	if (client->http->stage != HTTP_SERVES)
		reply_problem(client, CODE_STOPPING, NULL);
	else if (!db_is_up(client->http->dbs[DB_READS]))
		reply_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
	else
		route_submit(client, DB_READY, outcome_of_ready);
}

static void
read_openapi(Client *client)
{
	buffer_reset(&client->http->scratch);
	buffer_put(&client->http->scratch, openapi_json, openapi_json_length);
	reply_scratch(client, MHD_HTTP_OK);
}

static void
start_post(Client *client)
{
	DbItem *item = &client->item;

	if (client->body.length == 0)
	{
		reply_problem(client, CODE_INVALID_JSON, "the body is empty");
		return;
	}
	if (client->route->post == POSTING_MANY)
	{
		bulk_start(client);
		return;
	}
	if (!auth_allows_payload(client, client->body.data, client->body.length))
		return;
	/* The outcome is asked for in the user's name; without one there is nothing to wait for. */
	if (client->wait_until_ms != 0 && !json_read_user_id(client->body.data, client->body.length,
	                                                     &client->members.number[MEMBER_USER_ID]))
		client->wait_until_ms = 0;
	item->kind = client->route->kind;
	item->payload = client->body.data;
	item->payload_length = client->body.length;
	item->idempotency_key = client->head.key_count ? client->head.idempotency_key : NULL;
	route_submit(client, DB_ENQUEUE, outcome_of_enqueue);
}

static void
start_read(Client *client)
{
	const Route *route = client->route;
	char message[MESSAGE_SIZE];
	WalletCode code = CODE_OK;

	if (client->body.length > 0 && client->query.length > 0)
	{
		reply_problem(client, CODE_BAD_REQUEST,
		              "the members stand in the body or in the query string, not in both");
		return;
	}
	if (client->body.length > 0)
		code = json_read_members(client->body.data, client->body.length, route->allowed,
		                         route->required, &client->members, message);
	else
		code = query_read_members(client->query.length ? client->query.data : "", route->allowed,
		                          route->required, &client->members, message);
	if (code != CODE_OK)
		reply_problem(client, code, message);
	else if (auth_allows_user(client, client->members.number[MEMBER_USER_ID]))
		route->read(client);
}

/* A byte order mark before JSON in UTF-8 is passed over (RFC 8259, section 8.1). */
static void
drop_mark(Buffer *body)
{
	if (body->length < 3 || memcmp(body->data, "\xef\xbb\xbf", 3) != 0)
		return;
	body->length -= 3;
	memmove(body->data, body->data + 3, body->length);
}

/* Whether a text that is no UTF-8 looks like JSON in UTF-16 or UTF-32, marked or not. */
static bool
is_wide(const Buffer *body)
{
	return body->length >= 2 &&
	       (memcmp(body->data, "\xff\xfe", 2) == 0 || memcmp(body->data, "\xfe\xff", 2) == 0 ||
	        body->data[0] == '\0' || body->data[1] == '\0');
}

/* Whether the body is text; else the refusal is in the client. */
static bool
accepts_text(Client *client)
{
	Buffer *body = &client->body;

	drop_mark(body);
	if (utf8_valid(body->data, body->length))
		return true;
	reply_problem(client, CODE_INVALID_JSON,
	              is_wide(body) ? "the body is encoded in UTF-16 or UTF-32, and must be in UTF-8"
	                            : "the body is not valid UTF-8, or has a NUL byte");
	return false;
}

void
route_start(Client *client)
{
	const Http *http = client->http;

	if (client->head.wait_s > http->config.wait_s_max)
		client->head.wait_s = http->config.wait_s_max;
	if (client->head.wait_s > 0 && client->wait_until_ms == 0)
		client->wait_until_ms = http->now_ms + client->head.wait_s * INT64_C(1000);
	if (!auth_confirm(client) || client->phase == PHASE_WAITING)
		return;
	client->enqueued = false;
	client->busy_count = 0;
	client->held_since_ms = 0;
	if (client->body.failed || client->query.failed)
		reply_problem(client, CODE_INTERNAL_ERROR, NULL);
	else if (client->method == METHOD_POST && client->query.length > 0)
		reply_problem(client, CODE_BAD_REQUEST, "a POST takes its members from its body alone");
	else if (client->body.length > 0 && !accepts_text(client))
		return;
	else if (client->method == METHOD_POST)
		start_post(client);
	else
		start_read(client);
}
