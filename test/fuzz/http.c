/*
 * http.c
 *		Fuzzes the whole HTTP side of the shim, from the bytes on a connection to
 *		the bytes of the answers, with a database that is made up.
 *
 * The first four bytes seed what the bytes themselves cannot say: how they are
 * cut into pieces, what the database answers and when, how time goes by.  The
 * rest is sent as it is.  The connection is one end of a socket pair, so no
 * port is taken; the daemon lives from one input to the next.
 */
#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../shim/api/api.h"
#include "../../shim/api/bulk.h"
#include "../../shim/base/log.h"
#include "../../shim/http/daemon.h"
#include "fuzz.h"

#define SENT_MAX 65536
#define ROUNDS_MAX 20000
#define ITEMS_MAX 64
#define REPLY_MAX (8 * 1024 * 1024)

static uint64_t random_state;
static int64_t now_ms = 1000000;
static DbItem *items[ITEMS_MAX];
static int item_count;
static Api *api;

static unsigned
random_below(unsigned count)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned) (random_state >> 33) % count;
}

/* ---- log.h, with a clock that the input moves ---- */

int64_t
clock_ms(void)
{
	return now_ms;
}

void
log_line(const char *format, ...)
{
	(void) format;
}

/* ---- db.h: a database that says anything that it may say ---- */

static const char handshake[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

static const char *
any_text(void)
{
	static const char *const texts[] = {"", "plain", "with \"quotes\" and \\", "\xc3\xa9\x01\x7f"};

	return texts[random_below(4)];
}

const char *
db_value(const DbResult *result, int row, int column)
{
	const DbItem *item = (const DbItem *) result->rows;
	bool refused = random_below(8) == 0;

	EXPECT(row >= 0 && row < result->row_count, "row %d of %d", row, result->row_count);
	switch (item->function)
	{
		case DB_ENQUEUE:
		case DB_BULK:
			if (column == ENQUEUE_HANDSHAKE_ID)
				return refused ? NULL : handshake;
			if (column == ENQUEUE_CODE)
				return refused ? wallet_codes[random_below(CODE_COUNT)].name : NULL;
			return any_text();
		case DB_LOOKUP:
		case DB_OUTCOMES:
		case DB_READ:
			if (column == LOOKUP_KIND)
				return random_below(2) ? "hold" : "group";
			if (column == LOOKUP_STATE)
			{
				static const char *const states[] = {"processed", "rejected", "queued", "unknown"};

				return states[random_below(4)];
			}
			if (column == LOOKUP_CODE)
				return wallet_codes[random_below(CODE_COUNT)].name;
			if (column == LOOKUP_MESSAGE)
				return any_text();
			if (column == LOOKUP_WALLET_STATUS || column == LOOKUP_CURRENCY)
				return random_below(2) ? "active" : NULL;
			return random_below(4) ? "12" : NULL;
		case DB_HISTORY:
			return column == HISTORY_AMOUNT ? "1.0" : column == HISTORY_KIND ? "deposit" : "1";
		case DB_POSITION:
			return column == POSITION_TEXT ? "1-0/3000148" : "f";
		default:
			return column == 0 ? random_below(2) ? "t" : "f" : any_text();
	}
}

bool
db_available(const Db *db)
{
	(void) db;
	return item_count < ITEMS_MAX && random_below(16) != 0;
}

bool
db_is_up(const Db *db)
{
	return db_available(db);
}

/* There is no replica. */
bool
db_is_standby(const Db *db)
{
	(void) db;
	return false;
}

WalletCode
db_refusal(const Db *db)
{
	(void) db;
	return random_below(2) ? CODE_DATABASE_READ_ONLY : CODE_DATABASE_UNAVAILABLE;
}

static void
check_item(const DbItem *item)
{
	const char *key = item->idempotency_key;

	if (item->function == DB_ENQUEUE || item->function == DB_DRY_RUN)
		EXPECT(item->kind != NULL && item->payload_length > 0 &&
		           item->payload_length <= BODY_SIZE_MAX &&
		           utf8_valid(item->payload, item->payload_length),
		       "a payload of %zu bytes", item->payload_length);
	if (item->function == DB_BULK)
	{
		int sent_count = 0;

		for (int i = 0; i < item->many_count; i++)
		{
			const DbPayload *payload = &item->payloads[i];

			EXPECT(payload->text.length > 0 && utf8_valid(payload->text.text, payload->text.length),
			       "payload %d", i);
			EXPECT((payload->kind == NULL) == (payload->message != NULL), "payload %d", i);
			sent_count += payload->kind != NULL;
		}
		EXPECT(item->many_count <= BULK_ITEMS_MAX && sent_count > 0 &&
		           sent_count == item->sent_count,
		       "%d of %d payloads", sent_count, item->many_count);
	}
	if (item->function == DB_OUTCOMES)
		EXPECT(item->sent_count > 0 && item->sent_count <= item->many_count &&
		           item->many_count <= BULK_ITEMS_MAX,
		       "%d of %d questions", item->sent_count, item->many_count);
	if ((item->function == DB_ENQUEUE || item->function == DB_BULK) && key != NULL)
		EXPECT(*key != '\0' && strlen(key) <= IDEMPOTENCY_KEY_LENGTH_MAX &&
		           utf8_valid(key, strlen(key)) && strpbrk(key, " \t\r\n") == NULL,
		       "key \"%s\"", key);
	if (item->function == DB_LOOKUP)
		EXPECT(item->kind != NULL && item->user_id >= 0 &&
		           strlen(item->handshake_id) == HANDSHAKE_LENGTH,
		       "handshake \"%s\"", item->handshake_id);
	if (item->function == DB_HOLDS)
		EXPECT(item->user_id > 0 && (item->hold_id > 0) != (item->id > 0) && item->max_rows >= 1 &&
		           item->max_rows <= HISTORY_ROWS_MAX,
		       "hold %lld, wallet %lld", (long long) item->hold_id, (long long) item->id);
	/* The wallet of a user is read without its id. */
	if (item->function == DB_READ || item->function == DB_HISTORY)
		EXPECT(item->user_id > 0 && (item->id > 0 || (item->id == 0 && item->function == DB_READ &&
		                                              strcmp(item->kind, "wallet") == 0)),
		       "ids %lld, %lld", (long long) item->user_id, (long long) item->id);
	if (item->function == DB_HISTORY)
		EXPECT(item->max_rows >= 1 && item->max_rows <= HISTORY_ROWS_MAX && item->before >= 0,
		       "%d rows", item->max_rows);
}

void
db_submit(Db *db, DbItem *item, int64_t submitted_at_ms)
{
	(void) db;
	(void) submitted_at_ms;
	EXPECT(item_count < ITEMS_MAX, "more items than connections");
	for (int i = 0; i < item_count; i++)
		EXPECT(items[i] != item, "an item that is under way");
	check_item(item);
	items[item_count++] = item;
}

void
db_withdraw(Db *db, DbItem *item)
{
	int i = 0;

	(void) db;
	while (i < item_count && items[i] != item)
		i++;
	EXPECT(i < item_count, "an item that is not under way");
	items[i] = items[--item_count];
}

static void
answer_item(DbItem *item)
{
	DbResult result = {.code = CODE_OK, .rows = (const PGresult *) item, .row_count = 1};

	if (random_below(8) == 0)
		result =
		    (DbResult){.code = random_below(2) ? CODE_DATABASE_UNAVAILABLE : CODE_INTERNAL_ERROR,
		               .message = random_below(2) ? any_text() : NULL};
	else if (item->function == DB_BULK || item->function == DB_OUTCOMES)
		result.row_count = item->sent_count - (random_below(16) == 0);
	else if (item->function == DB_HISTORY || (item->function == DB_HOLDS && item->hold_id == 0))
		result.row_count = (int) random_below((unsigned) item->max_rows + 1);
	item->done(item, &result);
}

static void
answer_some(unsigned chance)
{
	while (item_count > 0 && random_below(chance) == 0)
		answer_item(items[--item_count]);
}

/* ---- the answers ---- */

static bool
is_json_type(const char *head, const char *end)
{
	const char *type = memmem(head, (size_t) (end - head), "\r\nContent-Type: application/", 28);

	return type != NULL && memmem(type, (size_t) (end - type), "json\r\n", 6) != NULL;
}

/* Reads the answers that have come; only the last one may be cut, and that of HEAD has no body. */
static void
check_answers(const char *text, size_t length, bool may_be_head)
{
	const char *end = text + length;

	while (text < end)
	{
		const char *body = memmem(text, (size_t) (end - text), "\r\n\r\n", 4);
		const char *field;
		size_t size;
		int status;

		EXPECT(strncmp(text, "HTTP/1.", end - text < 7 ? (size_t) (end - text) : 7) == 0,
		       "an answer begins with %.40s", text);
		if (body == NULL)
			return;
		body += 4;
		status = atoi(text + 9);
		EXPECT(status >= 100 && status < 600, "status %d", status);
		field = memmem(text, (size_t) (body - text), "\r\nContent-Length: ", 18);
		size = field ? strtoul(field + 18, NULL, 10) : 0;
		if (status >= 400 && !is_json_type(text, body))
		{
			/* libmicrohttpd's own words; for a bad length it writes them twice, and closes */
			EXPECT(memmem(text, (size_t) (body - text), "\r\nConnection: close", 19) != NULL,
			       "status %d is not ours", status);
			return;
		}
		EXPECT(field != NULL || status == 100 || status == 204, "status %d has no length", status);
		if (size > (size_t) (end - body))
		{
			EXPECT(may_be_head, "an answer was cut");
			return;
		}
		if (is_json_type(text, body) && !may_be_head)
		{
			json_t *value = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);

			EXPECT(value != NULL, "no JSON: %.*s", (int) size, body);
			EXPECT(status < 400 || json_integer_value(json_object_get(value, "status")) == status,
			       "status %d says %.*s", status, (int) size, body);
			json_decref(value);
		}
		if (may_be_head && strncmp(body, "HTTP/1.", 7) == 0)
			size = 0;
		text = body + size;
	}
}

/* ---- one connection ---- */

static Http *
the_http(void)
{
	static Http *http;
	static atomic_int connected_count = 1;
	static HostList hosts;
	static Monitor monitor = {.connected = &connected_count};
	char message[MESSAGE_SIZE];
	struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	HttpConfig config = {
	    .request_timeout_s = 10, .connections_max = 16, .large_bytes_max = 1024 * 1024};
	ApiConfig api_config = {.wait_s_max = 30,
	                        .waiting_max = ITEMS_MAX,
	                        .hosts = &hosts,
	                        .database_count = 1,
	                        .connected_count = &connected_count,
	                        .monitor = &monitor};
	int fd;

	if (http != NULL)
		return http;
	/* The host that most inputs name. */
	EXPECT(origin_read_hosts("a", &hosts, message), "%s", message);
	/* The daemon wants to listen somewhere: on a port that nobody knows. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *) &nowhere, sizeof(nowhere)) == 0 &&
	           listen(fd, 1) == 0,
	       "no socket");
	api = api_create(&api_config, (Db *[DB_ROLE_COUNT]){NULL, NULL});
	EXPECT(api != NULL, "no memory");
	http = http_create(&config, &api_handler, api, fd);
	EXPECT(http != NULL, "no daemon");
	return http;
}

/* Reads what there is; false at the end. */
static bool
receive(int fd, Buffer *answers)
{
	char bytes[65536];
	ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (size > 0 && answers->length < REPLY_MAX)
		buffer_put(answers, bytes, (size_t) size);
	return size != 0;
}

/*
 * Sends all, a piece at a time, until the other side closes; that is made to happen by an end, or
 * by time that goes by.
 */
static void
converse(Http *http, int fd, const char *text, size_t length, Buffer *answers)
{
	unsigned piece_max = random_below(4) ? SENT_MAX : 1 + random_below(64);
	bool leaves = random_below(4) == 0; /* without waiting for the answers */
	bool waits = random_below(8) == 0;  /* and says nothing more */
	bool open = true;

	for (int round = 0; open && round < ROUNDS_MAX; round++)
	{
		size_t piece = length ? 1 + random_below(piece_max) : 0;
		ssize_t sent = 0;

		if (piece > length)
			piece = length;
		if (piece > 0)
			sent = send(fd, text, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
		{
			text += sent;
			length -= (size_t) sent;
		}
		if (length == 0 && leaves)
			break;
		now_ms += random_below(8) == 0 ? random_below(300) : 0;
		http_run(http, now_ms);
		answer_some(2);
		open = receive(fd, answers);
		if (length == 0 && !waits)
			shutdown(fd, SHUT_WR);
		if (length == 0 && (http->request_count == 0 || item_count == 0))
			now_ms += 10000;
	}
	EXPECT(!open || leaves, "the connection stays open");
}

/* Everything that was taken for the connection is given back. */
static void
finish(Http *http)
{
	for (int round = 0; http->client_count > 0 && round < ROUNDS_MAX; round++)
	{
		now_ms += 1000;
		http_run(http, now_ms);
		answer_some(1);
	}
	EXPECT(http->client_count == 0 && http->request_count == 0 && api->waiting_count == 0 &&
	           http->charged == 0 && item_count == 0 && api->timed == NULL && api->read_count == 0,
	       "%d clients, %d requests, %d waiting, %zu bytes, %d items", http->client_count,
	       http->request_count, api->waiting_count, http->charged, item_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Buffer answers;
	Http *http = the_http();
	Input input = {data, size};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int pair[2];

	random_state = 0;
	for (int i = 0; i < 4; i++)
		random_state = random_state << 8 | take_byte(&input);
	if (input.size > SENT_MAX)
		return 0;
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0,
	       "no socket pair");
	http->now_ms = now_ms;
	EXPECT(MHD_add_connection(http->daemon, pair[1], (struct sockaddr *) &address,
	                          sizeof(address)) == MHD_YES,
	       "no connection");
	buffer_reset(&answers);
	converse(http, pair[0], (const char *) input.data, input.size, &answers);
	close(pair[0]);
	finish(http);
	if (answers.length > 0)
		check_answers(answers.data, answers.length,
		              input.size > 0 && memmem(input.data, input.size, "HEAD", 4) != NULL);
	return 0;
}
