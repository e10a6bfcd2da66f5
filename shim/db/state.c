/*
 * state.c
 *		How a connection goes from one state to another.
 */
#include "db/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* So that the shim is back within two seconds of the database, also after a long outage. */
#define RETRY_PAUSE_MAX_MS 1000

bool
db_is_usable(const Db *db)
{
	return db->connection != NULL && db->state != DB_LEAVING;
}

/* Whether a state may follow another one: DB_DOWN follows any, DB_LEAVING what has a connection. */
__attribute__((unused)) static bool
may_follow(DbState from, DbState to)
{
	switch (to)
	{
		case DB_DOWN:
			return true;
		case DB_CONNECTING:
			return from == DB_DOWN;
		case DB_MEETING:
			return from == DB_CONNECTING;
		case DB_PREPARING:
			return from == DB_MEETING;
		case DB_CONFIRMING:
			return from == DB_PREPARING;
		case DB_UP:
			return from == DB_PREPARING || from == DB_CONFIRMING;
		default:
			return from != DB_DOWN && from != DB_LEAVING;
	}
}

void
db_enter(Db *db, DbState state, int64_t now_ms)
{
	assert(owner_is_here(&db->owner));
	assert(may_follow(db->state, state));
	assert((db->connection == NULL) == (state == DB_DOWN || state == DB_CONNECTING));
	if (state == DB_UP)
		atomic_fetch_add(db->config.connected_count, 1);
	else if (db->state == DB_UP)
		atomic_fetch_sub(db->config.connected_count, 1);
	if (state != DB_UP)
		db->to_renew = false;
	db->state = state;
	db->state_since_ms = now_ms;
}

void
db_complain(Db *db, const char *what, const char *reason, int64_t now_ms)
{
	char text[COMPLAINT_SIZE];

	snprintf(text, sizeof(text), "%s%s", db->role == DB_REPLICA ? "--db-read: " : "", what);
	complaint_make(&db->complaint, text, reason, now_ms);
}

/* The pause doubles with each attempt.  A random part keeps many shims from coming all at once. */
void
db_plan_retry(Db *db, int64_t now_ms)
{
	int64_t pause_ms = db->retry_pause_ms;

	assert(pause_ms >= DB_RETRY_PAUSE_MIN_MS);
	db_enter(db, DB_DOWN, now_ms);
	db->retry_at_ms = now_ms + pause_ms + rand_r(&db->random_seed) % (pause_ms / 4);
	db->retry_pause_ms = pause_ms * 2 < RETRY_PAUSE_MAX_MS ? pause_ms * 2 : RETRY_PAUSE_MAX_MS;
}
