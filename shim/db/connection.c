/*
 * connection.c
 *		The life of the connection: connect, prepare, confirm, lose, try again.
 *
 * The setup is three batches.  The first one asks which server process answers.  The second one
 * prepares the statements, and asks what the server is.  The third one, of a connection that
 *stores, commits something: items to be stored are taken only when commits are confirmed, by a
 *synchronous standby if there is one.
 */
#include "db/connection.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/leave.h"
#include "db/statements.h"
#include "extension/base/session.h"

/* Not in the list of settings, which passes over what a server without the preload does not know.
 */
#define REQUIRE_STANDBY "SELECT pg_catalog.set_config('pg_wallet.require_standby', 'on', false)"

static const SessionSetting session_settings[] = SESSION_SETTING_TABLE;

/* What to do about an error of the setup, as words that follow its message. */
static const char *
advice(const char *sqlstate)
{
	if (strncmp(sqlstate, "42883", 5) == 0 || strncmp(sqlstate, "3F000", 5) == 0)
		return " (is pg_wallet installed in this database, in the schema that --schema names, and "
		       "in "
		       "this version?)";
	if (strncmp(sqlstate, "42501", 5) == 0)
		return " (the shim's role gets its rights by wallet_grant)";
	return "";
}

void
connection_keep_last_words(Db *db, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (severity != NULL && strcmp(severity, "FATAL") == 0 && message != NULL)
		snprintf(db->last_words, sizeof(db->last_words), "%s", message);
}

/*
 * The server has sent a notice.  A notice from SyncRepWaitForLSN says that a person cancelled a
 * commit that waited for a standby; the shim itself cancels only connections that it has given
 * up.  The name of the server's function tells: the text of the warning depends on the language,
 * and its SQLSTATE is no other than that of other warnings.  The extension's own warning says that
 * the wait has ended without a standby (--require-standby).
 */
static void
take_notice(void *argument, const PGresult *notice)
{
	const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
	const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	Db *db = argument;

	connection_keep_last_words(db, notice);
	if ((function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0) ||
	    (sqlstate != NULL && code_by_sqlstate(sqlstate) == CODE_STANDBY_UNAVAILABLE))
		db->unconfirmed = true;
}

void
connection_start(Db *db, int64_t now_ms)
{
	assert(db->state == DB_DOWN);
	if (connector_start(db->connector, db->config.conninfo, db->wake_fd))
	{
		db_enter(db, DB_CONNECTING, now_ms);
		return;
	}
	db_complain(db, "cannot connect to the database", "the system starts no more threads", now_ms);
	db_plan_retry(db, now_ms);
}

static bool
send_statement(Db *db, const char *sql)
{
	return PQsendQueryParams(db->connection, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

/*
 * Sends one statement that sets all settings of session.h that this server knows and this role
 * may set.  Two settings come before it, since they could cost the statement its time.  Names
 * are qualified, since the search_path is not set yet.
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
send_meeting(Db *db)
{
	return send_statement(db, "SELECT pg_catalog.pg_backend_pid()") &&
	       PQpipelineSync(db->connection) == 1;
}

/*
 * Whether the server process that answers is the one that libpq connected to.  Behind a
 * connection pooler it is another one: then settings and prepared statements would reach the
 * sessions of others.
 */
static bool
is_server_itself(Db *db, const PGresult *rows)
{
	return rows != NULL && PQntuples(rows) == 1 &&
	       atoi(PQgetvalue(rows, 0, 0)) == PQbackendPID(db->connection);
}

/* The last statement of the setup, after the settings, which a hostile database may need. */
#define WHAT_SERVER                                                                                \
	"SELECT r.is_standby, s.system_identifier, CASE WHEN NOT r.is_standby THEN "                   \
	"pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END "                      \
	"FROM pg_catalog.pg_is_in_recovery() AS r (is_standby), pg_catalog.pg_control_system() AS s"

/*
 * Keeps what the server says of itself: a standby, or a primary on this timeline.  False when it is
 * a primary, and another one has been promoted since.
 */
static bool
is_last_primary(Db *db, const PGresult *rows)
{
	char timeline[9];

	if (rows == NULL || PQntuples(rows) != 1 || PQnfields(rows) != 3)
		return true;
	db->read_only = *PQgetvalue(rows, 0, 0) == 't';
	snprintf(timeline, sizeof(timeline), "%s", PQgetvalue(rows, 0, 2));
	db->fence =
	    (Fence){strtoull(PQgetvalue(rows, 0, 1), NULL, 10), (uint32_t) strtoul(timeline, NULL, 16)};
	fence_raise(&db->fence);
	return !fence_is_behind(&db->fence);
}

static bool
send_setup(Db *db)
{
	char *schema = PQescapeIdentifier(db->connection, db->config.schema, strlen(db->config.schema));
	bool sent = schema != NULL && send_settings(db) &&
	            (!db->config.require_standby || send_statement(db, REQUIRE_STANDBY)) &&
	            statements_prepare(db, schema) && send_statement(db, WHAT_SERVER);

	PQfreemem(schema);
	return sent && PQpipelineSync(db->connection) == 1;
}

/* The first commit.  What it writes is a message in the WAL that nobody reads. */
static bool
send_commit(Db *db)
{
	return send_statement(db,
	                      "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN "
	                      "pg_catalog.pg_logical_emit_message(true, 'pg_wallet', '') END") &&
	       PQpipelineSync(db->connection) == 1;
}

/*
 * Why there is no connection.  Where libpq could not even read the connection string, its message
 * has a part of the string, which may be the password.
 */
static const char *
why_not_connected(const Db *db, PGconn *connection)
{
	const char *conninfo = db->config.conninfo;
	PQconninfoOption *options;

	if (connection == NULL)
		return "out of memory";
	if (strchr(conninfo, '=') != NULL || strstr(conninfo, "://") != NULL)
	{
		options = PQconninfoParse(conninfo, NULL);
		if (options == NULL)
			return db->role == DB_REPLICA ? "the connection string of --db-read is malformed"
			                              : "the connection string of --db is malformed";
		PQconninfoFree(options);
	}
	return PQerrorMessage(connection);
}

/* The next step of making a connection usable; connection_go_on gets its answer. */
static void
take_step(Db *db, DbState step, bool (*send)(Db *), int64_t now_ms)
{
	db_enter(db, step, now_ms);
	db->dirty = true;
	queue_push(&db->queue, DB_READY, now_ms)->setup = true;
	if (!send(db))
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
}

void
connection_finish(Db *db, int64_t now_ms)
{
	PGconn *connection;

	assert(db->state == DB_CONNECTING && db->connection == NULL && !queue_is_busy(&db->queue));
	connection = connector_join(db->connector);
	if (PQstatus(connection) != CONNECTION_OK)
	{
		db_complain(db, "cannot connect to the database", why_not_connected(db, connection),
		            now_ms);
		PQfinish(connection);
		db_plan_retry(db, now_ms);
		return;
	}
	db->connection = connection;
	/* The network took the last connection away: its process may still be there, and wait. */
	if (db->cancel != NULL)
		canceller_start(db->canceller, db->cancel, db->wake_fd);
	db->cancel = PQgetCancel(connection);
	PQsetNoticeReceiver(connection, take_notice, db);
	db->unconfirmed = false;
	db->last_words[0] = '\0';
	if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1)
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(connection), now_ms);
	else
		take_step(db, DB_MEETING, send_meeting, now_ms);
}

static void
come_up(Db *db, int64_t now_ms)
{
	db_enter(db, DB_UP, now_ms);
	db->holding = false;
	db->retry_pause_ms = DB_RETRY_PAUSE_MIN_MS;
	if (db->read_only && db->role == DB_WRITES)
		db_complain(db, "requests cannot be stored", "the database is a standby", now_ms);
	else
		complaint_end(&db->complaint);
}

void
connection_go_on(Db *db, const DbBatch *batch, int64_t now_ms)
{
	char reason[256];

	assert(batch->setup && !queue_is_busy(&db->queue));
	if ((db->state == DB_MEETING || db->state == DB_PREPARING) && batch->error != NULL)
	{
		const char *message = PQresultErrorField(batch->error, PG_DIAG_MESSAGE_PRIMARY);
		const char *sqlstate = PQresultErrorField(batch->error, PG_DIAG_SQLSTATE);

		snprintf(reason, sizeof(reason), "%s%s", message ? message : "unknown error",
		         advice(sqlstate ? sqlstate : ""));
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, reason, now_ms);
	}
	else if (db->state == DB_MEETING && !is_server_itself(db, batch->rows))
		connection_drop(
		    db, CODE_DATABASE_UNAVAILABLE,
		    "a connection pooler stands before it, as PgBouncer does; the shim's settings and "
		    "prepared statements need a session of their own: connect it to PostgreSQL itself",
		    now_ms);
	else if (db->state == DB_MEETING)
		take_step(db, DB_PREPARING, send_setup, now_ms);
	else if (db->state == DB_PREPARING && !is_last_primary(db, batch->rows))
		connection_drop(db, CODE_DATABASE_UNAVAILABLE,
		                "the server is an old primary: another one has been promoted since",
		                now_ms);
	else if (db->state == DB_PREPARING && db->role == DB_WRITES)
		take_step(db, DB_CONFIRMING, send_commit, now_ms);
	else if (db->unconfirmed)
		connection_drop(db, CODE_DATABASE_UNAVAILABLE,
		                "a commit was not confirmed by a synchronous standby", now_ms);
	else /* when the first commit has failed, requests may still be stored */
		come_up(db, now_ms);
}

void
connection_renew(Db *db, int64_t now_ms)
{
	assert(db->state == DB_UP && !queue_is_busy(&db->queue));
	db->holding = true;
	db->hold_until_ms = now_ms + DB_HOLD_MS;
	if (!fence_is_behind(&db->fence) || !leave_at_once(db, now_ms))
		leave_start(db, false, now_ms);
}

void
connection_drop(Db *db, WalletCode code, const char *reason, int64_t now_ms)
{
	bool was_up = db->state == DB_UP;
	bool owes = queue_is_busy(&db->queue);

	assert(db_is_usable(db));
	db_complain(db, was_up ? "database connection lost" : "the database is not usable",
	            *db->last_words ? db->last_words : reason, now_ms);
	leave_start(db, owes, now_ms);
	queue_fail_sent(&db->queue, code,
	                code == CODE_DATABASE_UNAVAILABLE ? CONNECTION_LOST
	                                                  : wallet_codes[code].message);
	if (!db->holding)
		queue_fail_waiting(&db->queue, CONNECTION_LOST);
}
