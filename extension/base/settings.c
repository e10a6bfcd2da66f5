/*
 * settings.c
 *		The settings of the server that begin with pg_wallet.
 */
#include "base/settings.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/interval.h"

bool setting_worker = true;
char *setting_databases = NULL;
int setting_workers_max = 8;
int setting_batch_max = 131072;
int setting_poll_ms = 1000;
bool setting_allow_drop = false;
int setting_retention_s = 7 * 24 * 60 * 60;
int setting_request_retention_s = 90 * 24 * 60 * 60;
int setting_queue_limit = 1000000;
bool setting_require_standby = false;
int64 setting_clock_offset_us = 0;
int64 setting_hold_expiry_us = 0;

/* The texts of the two, which are intervals. */
static char *clock_offset_text = NULL;
static char *hold_expiry_text = NULL;

static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *list = pstrdup(*value);
	List *names;
	bool is_list = SplitIdentifierString(list, ',', &names);

	if (is_list)
		list_free(names);
	else
		GUC_check_errdetail("The value must be a list of database names, separated by commas.");
	pfree(list);
	return is_list;
}

static bool
check_clock_offset(char **value, void **extra, GucSource source)
{
	int64 us;

	if (interval_parse(*value, &us))
		return true;
	GUC_check_errdetail("The value must be an interval of less than 1000 years.");
	return false;
}

static void
assign_clock_offset(const char *value, void *extra)
{
	(void) interval_parse(value, &setting_clock_offset_us);
}

static bool
check_hold_expiry(char **value, void **extra, GucSource source)
{
	int64 us;

	if (interval_parse(*value, &us) && us > 0)
		return true;
	GUC_check_errdetail("The value must be an interval above 0, of less than 1000 years.");
	return false;
}

static void
assign_hold_expiry(const char *value, void *extra)
{
	(void) interval_parse(value, &setting_hold_expiry_us);
}

static void
define_intervals(void)
{
	DefineCustomStringVariable(
	    "pg_wallet.clock_offset", "Shifts the ledger's clock by this interval.",
	    "For tests and drills; a day is 24 hours, a month 30 days.", &clock_offset_text, "0",
	    PGC_SUSET, 0, check_clock_offset, assign_clock_offset, NULL);
	DefineCustomStringVariable(
	    "pg_wallet.hold_expiry", "Sets how long a hold lasts that names no end.",
	    "An interval; a day is 24 hours, a month 30 days.", &hold_expiry_text, "7 days", PGC_SUSET,
	    0, check_hold_expiry, assign_hold_expiry, NULL);
}

void
settings_define(void)
{
	DefineCustomBoolVariable("pg_wallet.worker", "Lets the workers post what is queued.",
	                         "Turned off, requests are stored but not carried out.",
	                         &setting_worker, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_wallet.databases", "Names the databases that may have a worker.",
	                           "A list separated by commas; empty: all that hold the extension.",
	                           &setting_databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases,
	                           NULL, NULL);
	DefineCustomIntVariable("pg_wallet.batch_max",
	                        "Sets how many requests one transaction posts at the most.",
	                        "A group counts as its legs.  The larger a batch, the more transfers "
	                        "share one update of a wallet.",
	                        &setting_batch_max, 131072, 1, 131072, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_wallet.poll_interval",
	                        "Sets how often an idle worker looks for work of its own accord.",
	                        "Usually it is woken by whoever queues a request.", &setting_poll_ms,
	                        1000, 1, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
	    "pg_wallet.idempotency_retention", "Sets how long an idempotency key is kept.",
	    "The scheduled maintenance forgets older ones.", &setting_retention_s, 7 * 24 * 60 * 60, 60,
	    INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_wallet.request_retention", "Sets how long a request is kept.",
	                        "The scheduled maintenance drops older ones with their outcomes; 0: "
	                        "they are kept for ever.",
	                        &setting_request_retention_s, 90 * 24 * 60 * 60, 0, INT_MAX, PGC_SIGHUP,
	                        GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable(
	    "pg_wallet.queue_limit", "Sets how many requests may wait in the queue of a database.",
	    "Beyond it new ones are refused with queue_full; 0: no limit.", &setting_queue_limit,
	    1000000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_wallet.require_standby",
	                         "Stores a request only where a synchronous standby confirms it.",
	                         "Without synchronous_standby_names requests are refused with "
	                         "standby_unavailable.",
	                         &setting_require_standby, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_wallet.allow_drop",
	                         "Allows to drop the extension while its journal holds transfers.",
	                         "Meant to be set in the one session that does it.",
	                         &setting_allow_drop, false, PGC_SUSET, 0, NULL, NULL, NULL);
	define_intervals();
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable(
		    "pg_wallet.max_workers", "Sets how many databases may have a worker at the same time.",
		    NULL, &setting_workers_max, 8, 1, 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pg_wallet");
}

bool
setting_allows_database(const char *database)
{
	char *list = pstrdup(setting_databases);
	List *names;
	ListCell *cell;
	bool allowed = false;

	/* Always true: check_databases has refused every value that is no list. */
	if (!SplitIdentifierString(list, ',', &names))
		return false;
	foreach (cell, names)
		allowed = allowed || strcmp((char *) lfirst(cell), database) == 0;
	allowed = allowed || names == NIL;
	list_free(names);
	pfree(list);
	return allowed;
}
