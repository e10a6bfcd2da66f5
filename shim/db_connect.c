/*
 * db_connect.c
 *		The life of the connection: connect, prepare, lose, try again.
 *
 * Connecting is left to a thread of its own, because libpq resolves names with
 * a call that blocks, and an event loop must not.  The thread touches nothing
 * but its DbConnector; it hands the connection over by setting finished and
 * signalling the loop's eventfd.  Everything else runs in the loop's thread.
 */
#include "db_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "../extension/session.h"

#define RETRY_PAUSE_MIN_MS 100
/* Also after a long outage the shim is back within two seconds of the database. */
#define RETRY_PAUSE_MAX_MS 1000
#define OID_BYTEA_ARRAY 1001
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016
#define OID_INT8 20
#define OID_INT4 23

typedef struct DbStatement
{
	bool roles[DB_ROLE_COUNT]; /* whose connections prepare it */
	const char *before_schema;
	const char *after_schema;
	int parameter_count;
	Oid types[DB_PARAMETERS_MAX];
} DbStatement;

const char *const db_statement_names[DB_FUNCTION_COUNT] = {"enqueue", "bulk", "lookup", "read",
                                                           "history", "key",  "ready"};

#define LOOKUP_COLUMNS                                                                             \
	"SELECT ordinal, state, code, message, wallet_id, wallet_status, amount, currency, "           \
	"created_at, updated_at, transfer_id, source_wallet_id, destination_wallet_id FROM "

#define WRITES                                                                                     \
	{                                                                                              \
		true, false                                                                                \
	}
#define READS                                                                                      \
	{                                                                                              \
		false, true                                                                                \
	}
#define BOTH                                                                                       \
	{                                                                                              \
		true, true                                                                                 \
	}

static const DbStatement statements[DB_FUNCTION_COUNT] = {
    {WRITES,
     "SELECT ordinal, handshake_id, code, message FROM ",
     ".wallet_enqueue_utf8($1, $2, $3)",
     3,
     {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY}},
    {WRITES,
     "SELECT ordinal, handshake_id, code, message FROM ",
     ".wallet_enqueue_utf8($1, $2, $3) ORDER BY ordinal",
     3,
     {OID_TEXT_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY}},
    {READS,
     LOOKUP_COLUMNS,
     ".wallet_lookup_many($1, $2, $3)",
     3,
     {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY}},
    {READS,
     LOOKUP_COLUMNS,
     ".wallet_read_many($1, $2, $3)",
     3,
     {OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY}},
    {READS,
     "SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance, "
     "posted_at FROM ",
     ".wallet_history_page($1, $2, $3, $4)",
     4,
     {OID_INT8, OID_INT8, OID_INT8, OID_INT4}},
    {BOTH,
     "SELECT ordinal, pg_catalog.array_to_string(scopes, ' '), user_id, "
     "expires_in_ms FROM ",
     ".wallet_api_key_check_many($1)",
     1,
     {OID_BYTEA_ARRAY}},
    {READS,
     "SELECT worker_alive, detail, pg_catalog.pg_is_in_recovery() FROM ",
     ".wallet_ready()",
     0,
     {0}},
};

static const SessionSetting session_settings[] = SESSION_SETTING_TABLE;

static void *
connector_main(void *argument)
{
	DbConnector *connector = argument;
	static const char *const keywords[] = {
	    "connect_timeout",  "keepalives_idle",  "keepalives_interval",
	    "keepalives_count", "tcp_user_timeout", "fallback_application_name",
	    "dbname",           "client_encoding",  NULL};
	const char *values[] = {"5",    "30", "10", "3", "15000", "wallet-shim", connector->conninfo,
	                        "UTF8", NULL};

	connector->connection = PQconnectdbParams(keywords, values, 1);
	atomic_store(&connector->finished, true);
	if (eventfd_signal(connector->wake_fd) != 0)
		log_line("cannot wake the event loop after connecting");
	return NULL;
}

static void
ignore_notice(void *argument, const PGresult *notice)
{
	(void) argument;
	(void) notice;
}

/* One line of the log for each outage, not for each attempt. */
static void
complain(Db *db, const char *what, const char *reason)
{
	char text[256];
	size_t length;

	if (db->complained)
		return;
	db->complained = true;
	snprintf(text, sizeof(text), "%s", reason ? reason : "");
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	length = strlen(text);
	while (length > 0 && text[length - 1] == ' ')
		text[--length] = '\0';
	log_line("%s: %s", what, text);
}

/* Doubles the pause between attempts and adds up to a quarter of it by chance. */
static void
plan_retry(Db *db, int64_t now_ms)
{
	int64_t pause = db->retry_pause_ms;

	db->state = DB_DOWN;
	db->retry_at_ms = now_ms + pause + rand_r(&db->random_seed) % (pause / 4);
	db->retry_pause_ms = pause * 2 < RETRY_PAUSE_MAX_MS ? pause * 2 : RETRY_PAUSE_MAX_MS;
}

void
db_connect_start(Db *db, int64_t now_ms)
{
	DbConnector *connector = db->connector;

	if (db->retry_pause_ms == 0)
		db->retry_pause_ms = RETRY_PAUSE_MIN_MS;
	atomic_store(&connector->finished, false);
	connector->connection = NULL;
	connector->conninfo = db->config.conninfo;
	connector->wake_fd = db->wake_fd;
	if (pthread_create(&connector->thread, NULL, connector_main, connector) != 0)
	{
		plan_retry(db, now_ms);
		return;
	}
	db->state = DB_CONNECTING;
}

static bool
send_statement(Db *db, const char *sql)
{
	return PQsendQueryParams(db->connection, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

/*
 * One statement that sets what this server knows and this role may set.  The search_path is not
 * ours yet, and two settings could cost the statement its time.
 */
static bool
send_settings(Db *db)
{
	int who = db->role == DB_WRITES ? SESSION_WRITES : SESSION_READS;
	Buffer *sql = &db->parameters[0];
	const char *separator = "";

	buffer_reset(sql);
	buffer_puts(sql,
	            "SELECT pg_catalog.set_config(s.name, CASE WHEN s.setting OPERATOR(pg_catalog.=) "
	            "v.keep THEN v.keep ELSE v.value END, false) FROM (VALUES ");
	for (size_t i = 0; i < sizeof(session_settings) / sizeof(session_settings[0]); i++)
	{
		const SessionSetting *setting = &session_settings[i];

		if (!(setting->who & who))
			continue;
		buffer_printf(sql, "%s('%s', '%s', '%s')", separator, setting->name, setting->value,
		              setting->keep);
		separator = ", ";
	}
	buffer_puts(sql,
	            ") AS v (name, value, keep) JOIN pg_catalog.pg_settings AS s "
	            "ON s.name OPERATOR(pg_catalog.=) v.name AND (s.context OPERATOR(pg_catalog.=) "
	            "'user' OR s.context OPERATOR(pg_catalog.=) 'superuser' AND "
	            "pg_catalog.has_parameter_privilege(s.name, 'SET'))");
	buffer_put(sql, "", 1);
	return !sql->failed && send_statement(db, "SET statement_timeout TO 0") &&
	       send_statement(db, "SET jit TO off") && send_statement(db, sql->data);
}

static bool
send_setup(Db *db)
{
	char *schema = PQescapeIdentifier(db->connection, db->config.schema, strlen(db->config.schema));
	char sql[1024];
	bool sent = schema != NULL && send_settings(db);

	for (int i = 0; sent && i < DB_FUNCTION_COUNT; i++)
	{
		const DbStatement *s = &statements[i];

		if (!s->roles[db->role])
			continue;
		snprintf(sql, sizeof(sql), "%s%s%s", s->before_schema, schema, s->after_schema);
		sent = PQsendPrepare(db->connection, db_statement_names[i], sql, s->parameter_count,
		                     s->types) == 1;
	}
	PQfreemem(schema);
	return sent && PQpipelineSync(db->connection) == 1;
}

void
db_connect_finish(Db *db, int64_t now_ms)
{
	PGconn *connection;

	pthread_join(db->connector->thread, NULL);
	connection = db->connector->connection;
	db->connector->connection = NULL;
	if (PQstatus(connection) != CONNECTION_OK)
	{
		complain(db, "cannot connect to the database", PQerrorMessage(connection));
		PQfinish(connection);
		plan_retry(db, now_ms);
		return;
	}
	db->connection = connection;
	PQsetNoticeReceiver(connection, ignore_notice, NULL);
	db->state = DB_PREPARING;
	db->dirty = true;
	db_batch_push(db, DB_READY, now_ms)->setup = true;
	if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1 ||
	    !send_setup(db))
		db_drop(db, PQerrorMessage(connection), now_ms);
}

void
db_setup_finish(Db *db, const PGresult *error, int64_t now_ms)
{
	char reason[256];

	if (error != NULL)
	{
		const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);

		snprintf(reason, sizeof(reason), "%s", message ? message : "unknown error");
		db_drop(db, reason, now_ms);
		return;
	}
	db->state = DB_UP;
	db->complained = false;
	db->retry_pause_ms = RETRY_PAUSE_MIN_MS;
	atomic_fetch_add(db->config.connected_count, 1);
	log_line("database connected for %s", db->role == DB_WRITES ? "requests" : "reads");
}

void
db_drop(Db *db, const char *reason, int64_t now_ms)
{
	bool was_up = db->state == DB_UP;
	PGconn *connection = db->connection;

	complain(db, was_up ? "database connection lost" : "the database is not usable", reason);
	if (was_up)
		atomic_fetch_sub(db->config.connected_count, 1);
	plan_retry(db, now_ms);
	db->connection = NULL;
	PQfinish(connection);
	db_fail_all(db);
}
