/*
 * routes.c
 *		What each path means: from a request to an item for the database.
 */
#include "api/routes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answers.h"
#include "api/auth.h"
#include "api/bulk.h"
#include "api/metrics.h"
#include "api/openapi.h"
#include "api/question.h"
#include "base/text.h"
#include "http/origin.h"
#include "http/reply.h"

static void read_queued(Request *request);
static void read_direct(Request *request);
static void read_history(Request *request);
static void read_outcomes(Request *request);
static void read_holds(Request *request);
static void read_health(Request *request);
static void read_ready(Request *request);
static void read_openapi(Request *request);

#define USER_ID MEMBER_BIT(MEMBER_USER_ID)
#define HANDSHAKE_ID MEMBER_BIT(MEMBER_HANDSHAKE_ID)
#define WALLET_ID MEMBER_BIT(MEMBER_WALLET_ID)
#define TRANSACTION_ID MEMBER_BIT(MEMBER_TRANSACTION_ID)
#define HOLD_ID MEMBER_BIT(MEMBER_HOLD_ID)
#define STATE MEMBER_BIT(MEMBER_STATE)
#define INCLUDE MEMBER_BIT(MEMBER_INCLUDE)
#define PAGE (MEMBER_BIT(MEMBER_BEFORE) | MEMBER_BIT(MEMBER_LIMIT))

/* The read of a wallet takes its wallet_id in place of the handshake. */
#define BY_WALLET(symbol) ((symbol) == KIND_WALLET ? WALLET_ID : 0)

/* clang-format off */
#define KIND_ROUTE(symbol, number, name, path, ...) \
	{path, &kinds[symbol], POSTING_ONE, SCOPE_READ, USER_ID | HANDSHAKE_ID | BY_WALLET(symbol) | INCLUDE, USER_ID | (BY_WALLET(symbol) ? 0 : HANDSHAKE_ID), read_queued},

static const Route routes[] = {
	WALLET_KINDS(KIND_ROUTE)
	/* path, kind, POST, scope of a read, members, required members, read */
	{"/api/v1/transaction/bulk", &kinds[KIND_TRANSACTION], POSTING_MANY, 0, 0, 0, NULL},
	{"/api/v1/bulk", NULL, POSTING_MANY, 0, 0, 0, NULL},
	{"/api/v1/outcome", NULL, POSTING_NONE, SCOPE_READ, USER_ID | HANDSHAKE_ID | INCLUDE, USER_ID | HANDSHAKE_ID, read_outcomes},
	{"/api/v1/wallet/async", &kinds[KIND_WALLET], POSTING_NONE, SCOPE_READ, USER_ID | WALLET_ID | INCLUDE, USER_ID, read_direct},
	{"/api/v1/transaction/async", &kinds[KIND_TRANSACTION], POSTING_NONE, SCOPE_READ, USER_ID | TRANSACTION_ID | INCLUDE, USER_ID | TRANSACTION_ID, read_direct},
	{"/api/v1/wallet/history", &kinds[KIND_WALLET], POSTING_NONE, SCOPE_READ, USER_ID | WALLET_ID | PAGE | INCLUDE, USER_ID | WALLET_ID, read_history},
	{"/api/v1/hold/async", &kinds[KIND_HOLD], POSTING_NONE, SCOPE_READ, USER_ID | HOLD_ID | WALLET_ID | STATE | PAGE, USER_ID, read_holds},
	{"/healthz", NULL, POSTING_NONE, 0, 0, 0, read_health},
	{"/readyz", NULL, POSTING_NONE, 0, 0, 0, read_ready},
	{"/openapi.json", NULL, POSTING_NONE, 0, 0, 0, read_openapi},
	{"/metrics", NULL, POSTING_NONE, 0, 0, 0, metrics_read},
};
/* clang-format on */

#define PATH_FITS(symbol, number, name, path, ...)                                                 \
	_Static_assert(sizeof(path) <= PATH_SIZE, "a path is read into PATH_SIZE bytes");
WALLET_KINDS(PATH_FITS)

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* Whether a path leads to a route; a kind that HTTP takes no POST of has none. */
static bool
leads_to(const RequestLine *line, const char *path)
{
	return path != NULL && strlen(path) == line->path_length &&
	       memcmp(path, line->path, line->path_length) == 0;
}

/* Whether the body of a request is an array of many. */
static bool
takes_many(const Route *route)
{
	return route->post == POSTING_MANY || route->read == read_outcomes;
}

int
routes_number(const Request *request)
{
	return request->route ? (int) (request->route - routes) : -1;
}

int
routes_count(void)
{
	return (int) ROUTE_COUNT;
}

const char *
routes_path(int number)
{
	assert(number >= 0 && number < (int) ROUTE_COUNT);
	return routes[number].path;
}

/* What probes ask, which know an address at best: it says nothing of anybody. */
static bool
is_open_to_all(const Route *route)
{
	return route != NULL && (route->read == read_health || route->read == read_ready);
}

/* Whether this loop serves a route: /metrics may have a port of its own. */
static bool
is_served(const Request *request, const Route *route)
{
	switch (request_api(request)->config.metrics_place)
	{
		case METRICS_ELSEWHERE:
			return route->read != metrics_read;
		case METRICS_ALONE:
			return route->read == metrics_read || is_open_to_all(route);
		default:
			return true;
	}
}

void
routes_find(Request *request)
{
	bool is_many;

	assert(request->client.phase == PHASE_HEAD);
	request->route = NULL;
	request->method = METHOD_OTHER;
	request->key.name[0] = '\0';
	for (size_t i = 0; i < ROUTE_COUNT && request->route == NULL; i++)
		if (leads_to(&request->client.line, routes[i].path))
			request->route = is_served(request, &routes[i]) ? &routes[i] : NULL;
	is_many = request->route != NULL && takes_many(request->route);
	request->client.body_size_max = is_many ? BULK_BODY_SIZE_MAX : BODY_SIZE_MAX;
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

static bool
is_allowed(const Request *request, const char *method)
{
	const Route *route = request->route;

	switch (request->method)
	{
		case METHOD_POST:
			return route->post != POSTING_NONE;
		case METHOD_READ:
			return route->read != NULL && (route->allowed != 0 || strcmp(method, "QUERY") != 0);
		default:
			return request->method == METHOD_OPTIONS;
	}
}

bool
routes_admit(Request *request)
{
	const ApiConfig *config = &request_api(request)->config;
	Client *client = &request->client;
	bool is_guarded = !config->keys_needed;
	const char *message;
	WalletCode code;

	request->method = method_by_name(client->line.method);
	/* Without a token /metrics is for this machine, on which a foreign web page may run. */
	if (request->route != NULL && request->route->read == metrics_read)
		is_guarded = !config->monitor->has_token;
	if (!is_guarded || is_open_to_all(request->route))
		return true;
	code = origin_check(&client->line, &client->head, config->hosts, client->http->config.tls,
	                    &message);
	if (code != CODE_OK)
		reply_problem(client, code, message);
	return code == CODE_OK;
}

/* Refuses a method that the path does not take, or answers OPTIONS; false when there is a reply. */
static bool
check_method(Request *request)
{
	Client *client = &request->client;
	const Route *route = request->route;
	bool is_taken = is_allowed(request, client->line.method);

	if (is_taken && request->method != METHOD_OPTIONS)
		return true;
	if (is_taken)
		reply_empty(client, MHD_HTTP_NO_CONTENT);
	else
		reply_problem(client, CODE_METHOD_NOT_ALLOWED, NULL);
	reply_field(client, MHD_HTTP_HEADER_ALLOW, allowed_methods(route));
	if (is_taken && route->allowed != 0)
		reply_field(client, "Accept-Query", "\"application/json\"");
	return false;
}

/* What the client wants to know of the position of what it is told, and demands of it. */
static WalletCode
read_position(Request *request, char message[MESSAGE_SIZE])
{
	const RequestHead *head = &request->client.head;

	request->demanded = (Position){0};
	request->position[0] = '\0';
	request->lag_ms = -1;
	request->tells_position = head->staleness_s >= 0 || head->position_count > 0;
	if (head->position_count == 0 || is_open_to_all(request->route) ||
	    (head->position_count == 1 && position_read(head->position, &request->demanded)))
		return CODE_OK;
	snprintf(message, MESSAGE_SIZE,
	         "X-Wallet-Position must be one position, as an answer has told it");
	return CODE_BAD_REQUEST;
}

void
routes_begin(Request *request)
{
	Remedy remedy = {0};
	char message[MESSAGE_SIZE];
	Client *client = &request->client;
	bool is_post;
	size_t key_length_max;
	WalletCode code = CODE_OK;

	assert(client->phase == PHASE_RECEIVING);
	if (request->route == NULL)
	{
		reply_problem(client, CODE_ROUTE_NOT_FOUND, NULL);
		return;
	}
	if (!check_method(request))
		return;
	is_post = request->method == METHOD_POST;
	key_length_max =
	    request->route->post == POSTING_MANY ? BULK_KEY_LENGTH_MAX : IDEMPOTENCY_KEY_LENGTH_MAX;
	if (is_post || client->head.chunked || client->head.content_length > 0)
		code = guard_media_type(&client->head, &remedy, message);
	if (code == CODE_OK && is_post)
		code = guard_idempotency_key(&client->head, key_length_max, message);
	if (code == CODE_OK)
		code = read_position(request, message);
	if (code == CODE_OK)
		auth_begin(request);
	else
		reply_problem(client, code, message);
	if (remedy.field != NULL)
		reply_field(client, remedy.field, remedy.value);
}

static void
read_handshake(Request *request)
{
	request->item.kind = request->route->kind->name;
	request->item.user_id = request->members.number[MEMBER_USER_ID];
	request->item.handshake_id = request->members.handshake_id;
	request_submit(request, DB_LOOKUP, answer_looked_up);
}

/* Queues the reading of a wallet: a request of its own kind, whose payload is written here. */
static void
queue_read(Request *request)
{
	Buffer *body = &request->client.body;

	buffer_reset(body);
	buffer_printf(body, "{\"user_id\":%" PRId64 ",\"wallet_id\":%" PRId64 "}",
	              request->members.number[MEMBER_USER_ID],
	              request->members.number[MEMBER_WALLET_ID]);
	request->item.kind = kinds[KIND_WALLET_READ].name;
	request->item.payload = body->data;
	request->item.payload_length = body->length;
	request->item.idempotency_key = NULL;
	auth_tell(request);
	request_submit(request, DB_ENQUEUE, answer_enqueued);
}

static void
read_queued(Request *request)
{
	bool by_handshake = request->members.given & HANDSHAKE_ID;
	bool by_wallet = request->members.given & WALLET_ID;

	if (by_handshake && by_wallet)
		reply_problem(&request->client, CODE_UNKNOWN_MEMBER,
		              "members \"handshake_id\" and \"wallet_id\" exclude each other");
	else if (by_handshake)
		read_handshake(request);
	else if (by_wallet)
		queue_read(request);
	else
		reply_problem(&request->client, CODE_MISSING_MEMBER,
		              "member \"handshake_id\" is missing, or \"wallet_id\" in its place");
}

/* Without a wallet_id the user's one wallet is read. */
static void
read_direct(Request *request)
{
	Member id =
	    request->route->kind->shape == SHAPE_WALLET ? MEMBER_WALLET_ID : MEMBER_TRANSACTION_ID;

	request->item.kind = request->route->kind->name;
	request->item.user_id = request->members.number[MEMBER_USER_ID];
	request->item.id = request->members.number[id];
	request_submit(request, DB_READ, answer_read);
}

/* What a page is of: of all its members the item has those that were given. */
static void
set_page(Request *request)
{
	const Members *members = &request->members;
	DbItem *item = &request->item;

	item->user_id = members->number[MEMBER_USER_ID];
	item->id = members->number[MEMBER_WALLET_ID];
	item->before = members->number[MEMBER_BEFORE];
	item->max_rows = members->given & MEMBER_BIT(MEMBER_LIMIT) ? (int) members->number[MEMBER_LIMIT]
	                                                           : HISTORY_ROWS_DEFAULT;
}

/* The user's one hold, or those of a wallet. */
static void
read_holds(Request *request)
{
	const Members *members = &request->members;
	bool by_hold = members->given & HOLD_ID;

	if (by_hold && (members->given & (WALLET_ID | STATE | PAGE)))
		reply_problem(&request->client, CODE_UNKNOWN_MEMBER,
		              "member \"hold_id\" excludes all others but \"user_id\"");
	else if (!by_hold && !(members->given & WALLET_ID))
		reply_problem(&request->client, CODE_MISSING_MEMBER,
		              "member \"hold_id\" is missing, or \"wallet_id\" in its place");
	else
	{
		Word state = members->given & STATE ? (Word) members->number[MEMBER_STATE] : WORD_OPEN;

		set_page(request);
		request->item.hold_id = members->number[MEMBER_HOLD_ID];
		request->item.state = by_hold || state == WORD_ALL ? NULL : word_text(state);
		request_submit(request, DB_HOLDS, answer_holds);
	}
}

static void
read_history(Request *request)
{
	set_page(request);
	request->item.include_holds = members_include(&request->members, WORD_HOLDS);
	request_submit(request, DB_HISTORY, answer_history);
}

static void
read_health(Request *request)
{
	reply_status(&request->client, "ok");
}

static void
read_ready(Request *request)
{
	/* The connection that reads is asked: it can tell why a connection that stores is missing. */
	if (request->client.http->stage != HTTP_SERVES)
		reply_problem(&request->client, CODE_STOPPING, NULL);
	else if (!db_is_up(request_api(request)->dbs[DB_READS]))
		reply_problem(&request->client, CODE_DATABASE_UNAVAILABLE, NULL);
	else
		request_submit(request, DB_READY, answer_ready);
}

static void
read_openapi(Request *request)
{
	buffer_reset(&request->client.http->scratch);
	buffer_put(&request->client.http->scratch, openapi_json, openapi_json_length);
	reply_scratch(&request->client, MHD_HTTP_OK);
}

/* An array of many questions, which is the body. */
static void
read_outcomes(Request *request)
{
	if (request->client.query.length > 0)
		reply_problem(&request->client, CODE_BAD_REQUEST,
		              "the array of questions stands in the body alone");
	else if (request->client.body.length == 0)
		reply_problem(&request->client, CODE_INVALID_JSON, "the body is empty");
	else
		bulk_read(request);
}

/*
 * The database reads the payload.  Here its user is read where a key acts for one user, and where
 * the outcome is waited for, which is asked for in the user's name; and the legs of a group, where
 * keys have scopes.  False: the reply is a refusal.
 */
static bool
read_payload(Request *request)
{
	Client *client = &request->client;
	const Kind *kind = request->route->kind;
	bool has_legs = kind == &kinds[KIND_GROUP] && request_api(request)->keys != NULL;
	Payload payload = {0};
	WalletCode code = CODE_OK;
	unsigned missing;

	if (request->key.user_id != 0 || client->wait_until_ms != 0 || has_legs)
		code = question_read_payload(client->body.data, client->body.length, &payload);
	request->members.number[MEMBER_USER_ID] = payload.user_id;
	if (!auth_allows_user(request, payload.user_id))
		return false;
	if (payload.user_id == 0 &&
	    (code != CODE_OK || payload.names_user || !auth_speaks_for_all(request)))
		client->wait_until_ms = 0;
	if (!has_legs)
		return true;
	missing = code == CODE_OK ? auth_missing_scopes(request, kind, &payload) : 0;
	if (code != CODE_OK)
		reply_problem(client, code, NULL);
	else if (missing != 0)
		auth_refuse_scopes(request, missing);
	return code == CODE_OK && missing == 0;
}

/* The one member that the query string of a POST may have; false: the reply is a refusal. */
static bool
read_dry_run(Request *request)
{
	Client *client = &request->client;
	char message[MESSAGE_SIZE];
	Members members = {0};
	WalletCode code = CODE_OK;

	if (client->query.length > 0)
		code = query_read_members(client->query.data, MEMBER_BIT(MEMBER_DRY_RUN), 0, &members,
		                          message);
	if (code == CODE_UNKNOWN_MEMBER || (client->query.length > 0 && takes_many(request->route)))
		reply_problem(client, CODE_BAD_REQUEST, "a POST takes its members from its body alone");
	else if (code != CODE_OK)
		reply_problem(client, code, message);
	else
	{
		request->is_dry_run = (members.given & MEMBER_BIT(MEMBER_DRY_RUN)) &&
		                      members.number[MEMBER_DRY_RUN] == WORD_TRUE;
		return true;
	}
	return false;
}

static void
start_post(Request *request)
{
	Client *client = &request->client;
	DbItem *item = &request->item;

	if (client->body.length == 0)
	{
		reply_problem(client, CODE_INVALID_JSON, "the body is empty");
		return;
	}
	if (request->route->post == POSTING_MANY)
	{
		bulk_start(request);
		return;
	}
	if (request->is_dry_run)
		client->wait_until_ms = 0;
	if (!read_payload(request))
		return;
	item->kind = request->route->kind->name;
	item->payload = client->body.data;
	item->payload_length = client->body.length;
	item->idempotency_key = client->head.key_count ? client->head.idempotency_key : NULL;
	auth_tell(request);
	if (request->is_dry_run)
		request_submit(request, DB_DRY_RUN, answer_dry_run);
	else
		request_submit(request, DB_ENQUEUE, answer_enqueued);
}

/* What the answers of a route may include: rows of holds, a wallet's limits, a transfer's links. */
static Word
word_of_include(const Route *route)
{
	if (route->read == read_history)
		return WORD_HOLDS;
	return route->kind->shape == SHAPE_WALLET ? WORD_LIMITS : WORD_LINKS;
}

static WalletCode
check_include(const Request *request, char message[MESSAGE_SIZE])
{
	Word word = word_of_include(request->route);

	if (members_include(&request->members, word))
		return CODE_OK;
	snprintf(message, MESSAGE_SIZE, "member \"include\" must be %s here", word_text(word));
	return CODE_WRONG_TYPE;
}

/* Which members a read needs: who speaks for all users may leave out who has asked. */
static unsigned
required_members(const Request *request)
{
	const Route *route = request->route;
	bool by_handshake = route->read == read_queued && (route->required & HANDSHAKE_ID);

	return by_handshake && auth_speaks_for_all(request) ? route->required & ~USER_ID
	                                                    : route->required;
}

static void
start_read(Request *request)
{
	const Route *route = request->route;
	unsigned required = required_members(request);
	char message[MESSAGE_SIZE];
	WalletCode code = CODE_OK;

	if (takes_many(route))
	{
		route->read(request);
		return;
	}
	if (request->client.body.length > 0 && request->client.query.length > 0)
	{
		reply_problem(&request->client, CODE_BAD_REQUEST,
		              "the members stand in the body or in the query string, not in both");
		return;
	}
	if (request->client.body.length > 0)
		code = question_read_members(request->client.body.data, request->client.body.length,
		                             route->allowed, required, &request->members, message);
	else
		code = query_read_members(request->client.query.length ? request->client.query.data : "",
		                          route->allowed, required, &request->members, message);
	if (code == CODE_OK && (request->members.given & INCLUDE))
		code = check_include(request, message);
	request->item.include_links = members_include(&request->members, WORD_LINKS);
	if (code != CODE_OK)
		reply_problem(&request->client, code, message);
	else if (auth_allows_user(request, request->members.number[MEMBER_USER_ID]))
		route->read(request);
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

/* Whether the body is text; if not, the reply is the refusal. */
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
routes_start(Request *request)
{
	Client *client = &request->client;
	const ApiConfig *config = &request_api(request)->config;
	const Http *http = client->http;

	assert(client->phase == PHASE_COMPLETE && request->route != NULL);
	if (request->method == METHOD_READ && !is_open_to_all(request->route))
		client->staleness_s = client->head.staleness_s;
	if (client->head.wait_s > config->wait_s_max)
		client->head.wait_s = config->wait_s_max;
	if (client->head.wait_s > 0 && client->wait_until_ms == 0)
		client->wait_until_ms = http->now_ms + client->head.wait_s * INT64_C(1000);
	if (!auth_confirm(request))
		return;
	request->members.given = 0;
	request->item.include_links = false;
	request->is_dry_run = false;
	request->enqueued = false;
	request->is_repeated = false;
	request->busy_count = 0;
	request->held_since_ms = 0;
	if (client->body.failed || client->query.failed)
		reply_problem(client, CODE_INTERNAL_ERROR, NULL);
	else if (request->method == METHOD_POST && !read_dry_run(request))
		return;
	else if (client->body.length > 0 && !accepts_text(client))
		return;
	else if (request->method == METHOD_POST)
		start_post(request);
	else
		start_read(request);
}
