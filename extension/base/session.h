/*
 * session.h
 *		The settings of a session that the worker and the shim rely on, in one list.
 *
 * Somebody may change any of these for the server, the database or a role.  The
 * worker and each connection of the shim therefore set them by themselves, once,
 * when they begin.  What a session has set for itself wins over a later reload,
 * ALTER DATABASE or ALTER ROLE.  A setting that the server's version lacks is
 * passed over, and so is one that the shim's role may not set.
 *
 * This file is plain C: the extension and the HTTP shim both include it.
 *
 * The columns:
 *	name	of the setting
 *	value	what it is set to
 *	keep	a stricter value that is left as it is, or ""
 *	who		a sum: SESSION_WORKER, SESSION_WRITES and SESSION_READS (the shim's two
 *			kinds of connection); SESSION_PLANNER, for each statement of ours in
 *			anybody's session (statement_run)
 *
 * Settings that are not in the list have been looked at (pg_settings, contexts
 * user and superuser), and do not matter: costs and sizes of memory change how
 * long something takes, not what it does; no answer has a text that depends on
 * DateStyle, IntervalStyle, TimeZone, bytea_output, extra_float_digits or lc_*,
 * which are left as they are for the triggers of users; and what goes to the
 * log is the administrator's.  The shim names its client_encoding as it connects.
 */
#ifndef PG_WALLET_SESSION_H
#define PG_WALLET_SESSION_H

#define SESSION_WORKER 1
#define SESSION_WRITES 2
#define SESSION_READS 4
#define SESSION_PLANNER 8
#define SESSION_SHIM (SESSION_WRITES | SESSION_READS)
#define SESSION_ALL (SESSION_WORKER | SESSION_SHIM)

/* clang-format off */
#define SESSION_SETTINGS(X) \
	/* what is answered is on the disk, and on a standby where one is named */ \
	X("synchronous_commit", "on", "remote_apply", SESSION_ALL) \
	/* a transaction of ours writes, and sees what others have committed before each statement */ \
	X("default_transaction_read_only", "off", "", SESSION_ALL) \
	X("default_transaction_isolation", "read committed", "", SESSION_ALL) \
	X("default_transaction_deferrable", "off", "", SESSION_ALL) \
	/* how long it may take: the worker waits for locks a little, and the shim gives up before its own deadline */ \
	X("lock_timeout", "2s", "", SESSION_WORKER | SESSION_READS) \
	X("lock_timeout", "1s", "", SESSION_WRITES) \
	X("statement_timeout", "0", "", SESSION_WORKER) \
	X("statement_timeout", "8s", "", SESSION_WRITES) \
	X("statement_timeout", "5s", "", SESSION_READS) \
	X("transaction_timeout", "0", "", SESSION_ALL) \
	/* a session that has nothing to do stays, and so does one that has met an error */ \
	X("idle_session_timeout", "0", "", SESSION_ALL) \
	X("idle_in_transaction_session_timeout", "0", "", SESSION_ALL) \
	X("exit_on_error", "off", "", SESSION_ALL) \
	/* what names and literals mean */ \
	X("search_path", "pg_catalog, pg_temp", "", SESSION_ALL | SESSION_PLANNER) \
	X("standard_conforming_strings", "on", "", SESSION_ALL) \
	X("transform_null_equals", "off", "", SESSION_ALL) \
	X("quote_all_identifiers", "off", "", SESSION_ALL) \
	X("array_nulls", "on", "", SESSION_ALL) \
	/* who sees which rows, and which triggers fire */ \
	X("row_security", "on", "", SESSION_ALL) \
	X("restrict_nonsystem_relation_kind", "", "", SESSION_ALL) \
	X("session_replication_role", "origin", "", SESSION_ALL) \
	/* plans: each statement finds its rows by a key, however empty a table is while it is planned */ \
	X("plan_cache_mode", "auto", "", SESSION_ALL) \
	X("enable_partition_pruning", "on", "", SESSION_ALL) \
	X("max_parallel_workers_per_gather", "0", "", SESSION_ALL) \
	X("enable_indexscan", "on", "", SESSION_ALL | SESSION_PLANNER) \
	X("enable_nestloop", "on", "", SESSION_ALL | SESSION_PLANNER) \
	X("enable_seqscan", "off", "", SESSION_ALL | SESSION_PLANNER) \
	X("enable_hashjoin", "off", "", SESSION_ALL | SESSION_PLANNER) \
	X("enable_mergejoin", "off", "", SESSION_ALL | SESSION_PLANNER) \
	X("jit", "off", "", SESSION_ALL | SESSION_PLANNER) \
	/* where something is made */ \
	X("default_tablespace", "", "", SESSION_WORKER) \
	X("temp_tablespaces", "", "", SESSION_WORKER) \
	X("default_table_access_method", "heap", "", SESSION_WORKER) \
	/* a session whose client is away ends, also while it has nothing to do; without effect on a Unix socket */ \
	X("tcp_keepalives_idle", "30", "", SESSION_SHIM) \
	X("tcp_keepalives_interval", "10", "", SESSION_SHIM) \
	X("tcp_keepalives_count", "3", "", SESSION_SHIM) \
	X("tcp_user_timeout", "30000", "", SESSION_SHIM) \
	/* what is sent to the shim (a warning says that a commit was not confirmed), and what the log keeps of the handshakes among the parameters */ \
	X("client_min_messages", "warning", "", SESSION_SHIM) \
	X("log_parameter_max_length_on_error", "0", "", SESSION_SHIM)
/* clang-format on */

typedef struct SessionSetting
{
	const char *name;
	const char *value;
	const char *keep;
	int who;
} SessionSetting;

#define SESSION_SETTING_ROW(name, value, keep, who) {name, value, keep, who},
#define SESSION_SETTING_TABLE                                                                      \
	{                                                                                              \
		SESSION_SETTINGS(SESSION_SETTING_ROW)                                                      \
	}

#endif /* PG_WALLET_SESSION_H */
