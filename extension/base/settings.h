/*
 * settings.h
 *		Settings of the server, as pg_wallet.NAME in postgresql.conf.
 */
#ifndef PG_WALLET_SETTINGS_H
#define PG_WALLET_SETTINGS_H

#include "base/version.h"

extern bool setting_worker;     /* pg_wallet.worker */
extern char *setting_databases; /* pg_wallet.databases */
extern int setting_workers_max; /* pg_wallet.max_workers */
extern int setting_batch_max;   /* pg_wallet.batch_max */
extern int setting_poll_ms;     /* pg_wallet.poll_interval */
extern bool setting_allow_drop; /* pg_wallet.allow_drop */
extern int setting_retention_s; /* pg_wallet.idempotency_retention */
extern int setting_queue_limit; /* pg_wallet.queue_limit */

extern bool setting_require_standby; /* pg_wallet.require_standby */

/* pg_wallet.request_retention; 0: for ever */
extern int setting_request_retention_s;

extern int64 setting_clock_offset_us; /* pg_wallet.clock_offset */
extern int64 setting_hold_expiry_us;  /* pg_wallet.hold_expiry */

/* Whether pg_wallet.databases names this database, or names none and so allows all. */
extern bool setting_allows_database(const char *database);

/* Defines all settings; pg_wallet.max_workers only while the server starts. */
extern void settings_define(void);

#endif /* PG_WALLET_SETTINGS_H */
