/*
 * standbys.c
 *		Commits that wait for a synchronous standby: who says so, and who has to wait.
 *
 * A session whose commit waits for a standby (synchronous_standby_names) may be cancelled.  Its
 * transaction is then committed on this server alone, and visible.  When the client repeats the
 * call, the repeated call finds the idempotency key and writes nothing, so its commit would not
 * wait. confirm_at_commit makes the commit of the repeated call wait for the standby, as the first
 * did.
 *
 * A wait for a standby also ends, without a confirmation, when synchronous_standby_names becomes
 * empty: Patroni empties the setting when the last standby is gone, unless synchronous_mode_strict
 * is on.  With pg_wallet.require_standby, watch_commit tells such a commit from a confirmed one.
 *
 * Locking: SyncRepLock, shared, in watch_commit's callback.  Else this file reads the server's
 * shared memory without a lock; an answer may be out of date by a moment.
 */
#include "base/standbys.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/message.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/refusal.h"
#include "base/settings.h"

/* A commit that waits for longer is reported: a standby that runs answers within milliseconds. */
#define COMMIT_PATIENCE_MS 3000

#define STANDBY_HINT "Bring the standby back, or change synchronous_standby_names."

#if PG_VERSION_NUM < 160000
#define pgstat_get_local_beentry_by_index pgstat_fetch_stat_local_beentry
#endif

/* Whether commits wait for standbys, by the settings that this process knows. */
static bool
standbys_are_named(void)
{
	return max_wal_senders > 0 && SyncRepConfig != NULL;
}

/* How many of the standbys that a commit needs are not connected. */
static int
missing_standbys(void)
{
	SyncRepStandbyData *standbys;
	int connected = SyncRepGetCandidateStandbys(&standbys);

	return Max(SyncRepConfig->num_sync - connected, 0);
}

static bool
waits_for_standby(int pid)
{
	PGPROC *process = BackendPidGetProc(pid);

	return process != NULL && *(volatile uint32 *) &process->wait_event_info == WAIT_EVENT_SYNC_REP;
}

/*
 * For how many milliseconds a statement of this database has waited for a standby, at the most; 0:
 * none waits.  Sets *pid to the process that waits for so long.
 */
static long
longest_wait_ms(int *pid)
{
	TimestampTz now = GetCurrentTimestamp();
	int count = pgstat_fetch_stat_numbackends();
	long longest_ms = 0;

	for (int i = 1; i <= count; i++)
	{
		const PgBackendStatus *status = &pgstat_get_local_beentry_by_index(i)->backendStatus;
		long waited_ms;

		CHECK_FOR_INTERRUPTS();
		if (status->st_procpid == 0 || status->st_databaseid != MyDatabaseId ||
		    status->st_activity_start_timestamp == 0)
			continue;
		waited_ms = TimestampDifferenceMilliseconds(status->st_activity_start_timestamp, now);
		if (waited_ms <= longest_ms || !waits_for_standby(status->st_procpid))
			continue;
		longest_ms = waited_ms;
		*pid = status->st_procpid;
	}
	return longest_ms;
}

bool
standby_is_lacking(void)
{
	return setting_require_standby && !standbys_are_named();
}

/* Whether the commit of the transaction that ends is to be watched. */
static bool watched = false;

/* Whether standbys have confirmed the commit that ends; one that has written nothing needs none. */
static bool
commit_is_confirmed(void)
{
	XLogRecPtr confirmed;

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return true;
	if (max_wal_senders == 0)
		return false;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	confirmed = WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH];
	LWLockRelease(SyncRepLock);
	return XactLastCommitEnd <= confirmed;
}

/* The commit is over, and so is its wait for a standby. */
static void
transaction_ended(XactEvent event, void *argument)
{
	bool was_watched = watched;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	watched = false;
	if (event == XACT_EVENT_COMMIT && was_watched && !commit_is_confirmed())
		ereport(WARNING, (errcode(sqlstate_of(CODE_STANDBY_UNAVAILABLE)),
		                  errmsg("%s", wallet_codes[CODE_STANDBY_UNAVAILABLE].message),
		                  errdetail("The transaction is committed on this server alone, while "
		                            "pg_wallet.require_standby is on.")));
}

void
watch_commit(void)
{
	static bool registered = false;

	if (!setting_require_standby)
		return;
	if (!registered)
		RegisterXactCallback(transaction_ended, NULL);
	registered = true;
	watched = true;
}

int
standbys_missing(void)
{
	if (standby_is_lacking())
		return 1;
	return standbys_are_named() && !RecoveryInProgress() ? missing_standbys() : 0;
}

char *
trouble_of_standbys(void)
{
	int missing;
	int pid = 0;
	long waited_ms;

	if (standby_is_lacking())
		return pstrdup(
		    "no synchronous standby is named, and pg_wallet.require_standby is on: nothing is "
		    "stored. Name one in synchronous_standby_names.");
	if (!standbys_are_named())
		return NULL;
	missing = missing_standbys();
	if (missing > 0)
		return psprintf(
		    "commits wait for a synchronous standby: of %d that are needed %d %s not "
		    "connected. " STANDBY_HINT,
		    SyncRepConfig->num_sync, missing, missing == 1 ? "is" : "are");
	waited_ms = longest_wait_ms(&pid);
	if (waited_ms < COMMIT_PATIENCE_MS)
		return NULL;
	return psprintf(
	    "commits wait for a synchronous standby: that of process %d for %ld s. " STANDBY_HINT, pid,
	    waited_ms / 1000);
}

void
confirm_at_commit(void)
{
	if (!standbys_are_named() || RecoveryInProgress() ||
	    (TransactionIdIsValid(GetTopTransactionIdIfAny()) && XactLastRecEnd != 0))
		return;
#if PG_VERSION_NUM >= 170000
	LogLogicalMessage("pg_wallet", "", 0, true, false);
#else
	LogLogicalMessage("pg_wallet", "", 0, true);
#endif
}
