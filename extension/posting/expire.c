/*
 * expire.c
 *		Expires holds whose end has come, in small steps.
 *
 * A step is a transaction.  It locks some wallets that have due holds, and records that these have
 * expired.  The number of holds in a step follows the time that steps take, so that nobody waits
 * for a wallet for longer than STEP_US.  A wallet that another transaction holds or waits for is
 * tried again after a pause, and so is one whose step has failed by itself.
 *
 * Locking: docs/posting.md, "Expiry".  The wallets of a step are locked in the order of their ids;
 * none is waited for.
 */
#include "posting/expire.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/clock.h"
#include "base/statement.h"
#include "posting/ledger.h"

/* How long a step shall take, and hold its locks: its commit does not wait for the disk. */
#define STEP_US 3000

/* The bounds of how many holds a step expires. */
#define STEP_HOLDS_MIN 16
#define STEP_HOLDS_MAX 4096
#define STEP_HOLDS_FIRST 256

/* So many due holds are looked at to find out which wallets have some. */
#define LOOK_MAX 10000

/* The interval of looks while nothing is due. */
#define LOOK_MS 500

/* The pause of a wallet that is locked; doubles with each further try, up to the maximum. */
#define LOCKED_MIN_MS 50
#define LOCKED_MAX_MS 400

/* The pause of a wallet whose step has failed, and the one of all steps after a failure. */
#define FAILED_MIN_MS 1000
#define FAILED_MAX_MS 60000

/* So many wallets are kept that wait; further ones are found again by the next look. */
#define WAITING_MAX 64

/* A wallet whose due holds have to wait. */
typedef struct Waiting
{
	int64 wallet_id;
	int pause_ms;
	int64 at_ms; /* when the wallet is tried again */
} Waiting;

struct Expirer
{
	MemoryContext context;
	int64 *wallets; /* with due holds, in the order of their ids */
	int wallet_count;
	int next;            /* of these wallets */
	int holds_of_wallet; /* on the average, as the last step has met them */
	bool has_looked;
	bool has_expired; /* something since the last look */
	int step_holds_max;
	int step_wallets_max;
	Waiting waiting[WAITING_MAX];
	int waiting_count;
	TimestampTz next_end; /* of the hold that ends first before the next look; or infinity */
	int64 look_at_ms;     /* when to look again, though nobody knows of a due hold */
	int64 failed_until_ms;
	int failed_pause_ms;

	/* The step whose transaction has not ended yet. */
	int step_first;   /* of the wallets */
	int step_taken;   /* wallets that are done with, if the transaction commits */
	int step_count;   /* wallets that were tried */
	int step_expired; /* holds */
	int64 step_us;    /* from the first lock on */
};

static Statement find_wallets = {
    "SELECT t.source_wallet_id::bigint FROM wallet.hold AS t WHERE t.state = 0 AND "
    "t.expires_at <= $1 AND t.source_wallet_id <> ALL ($2) ORDER BY t.expires_at LIMIT $3",
    3,
    {TIMESTAMPTZOID, INT8ARRAYOID, INT8OID},
    NULL,
};

static Statement find_next_end = {
    "SELECT t.expires_at::timestamptz FROM wallet.hold AS t WHERE t.state = 0 AND "
    "t.expires_at > $1 AND t.expires_at <= $2 ORDER BY t.expires_at LIMIT 1",
    2,
    {TIMESTAMPTZOID, TIMESTAMPTZOID},
    NULL,
};

Expirer *
expirer_make(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_wallet expiry", ALLOCSET_SMALL_SIZES);
	Expirer *expirer = MemoryContextAllocZero(context, sizeof(Expirer));

	expirer->context = context;
	expirer->wallets = MemoryContextAlloc(context, sizeof(int64) * (LOOK_MAX + WAITING_MAX));
	expirer->holds_of_wallet = 1;
	expirer->step_holds_max = STEP_HOLDS_FIRST;
	expirer->step_wallets_max = STEP_HOLDS_MAX;
	expirer->next_end = DT_NOEND;
	return expirer;
}

void
expirer_free(Expirer *expirer)
{
	MemoryContextDelete(expirer->context);
}

/* ---- What is due, and when ---- */

int
expirer_pause_ms(const Expirer *expirer)
{
	int64 now_ms = monotonic_ms();
	int64 pause_ms = expirer->look_at_ms - now_ms;

	if (expirer->failed_until_ms > now_ms)
		return (int) (expirer->failed_until_ms - now_ms);
	if (expirer->next < expirer->wallet_count)
		return 0;
	for (int i = 0; i < expirer->waiting_count; i++)
		pause_ms = Min(pause_ms, expirer->waiting[i].at_ms - now_ms);
	if (!TIMESTAMP_IS_NOEND(expirer->next_end))
		pause_ms = Min(pause_ms, (expirer->next_end - ledger_now() + 999) / 1000);
	return (int) Max(pause_ms, 0);
}

bool
expirer_is_idle(const Expirer *expirer)
{
	return expirer->has_looked && !expirer->has_expired && expirer->next >= expirer->wallet_count;
}

/*
 * Finds the hold that ends first before the next look.  A search without that bound would visit the
 * index entries of all holds that were captured before their end.
 */
static void
look_for_next_end(Expirer *expirer, TimestampTz moment)
{
	statement_run(&find_next_end,
	              (Datum[]){TimestampTzGetDatum(moment),
	                        TimestampTzGetDatum(TimestampTzPlusMilliseconds(moment, LOOK_MS))},
	              NULL, true);
	expirer->next_end = SPI_processed == 0 ? DT_NOEND : result_int64(0, 1);
	SPI_freetuptable(SPI_tuptable);
}

/* Adds the waiting wallets whose pause is over. */
static int
add_waiting(const Expirer *expirer, int64 *wallets, int count)
{
	int64 now_ms = monotonic_ms();

	for (int i = 0; i < expirer->waiting_count; i++)
	{
		if (expirer->waiting[i].at_ms <= now_ms)
			wallets[count++] = expirer->waiting[i].wallet_id;
	}
	return count;
}

/* Looks which wallets have due holds.  Those that wait are left out until their pause is over. */
static void
look(Expirer *expirer)
{
	TimestampTz moment = ledger_now();
	int64 waiting[WAITING_MAX];
	int rows;

	for (int i = 0; i < expirer->waiting_count; i++)
		waiting[i] = expirer->waiting[i].wallet_id;
	statement_run(&find_wallets,
	              (Datum[]){TimestampTzGetDatum(moment),
	                        int64_array(waiting, expirer->waiting_count), Int64GetDatum(LOOK_MAX)},
	              NULL, true);
	rows = (int) SPI_processed;
	for (int i = 0; i < rows; i++)
		expirer->wallets[i] = result_int64(i, 1);
	SPI_freetuptable(SPI_tuptable);
	expirer->wallet_count = sort_ids(expirer->wallets, rows);
	expirer->wallet_count =
	    sort_ids(expirer->wallets, add_waiting(expirer, expirer->wallets, expirer->wallet_count));
	expirer->next = 0;
	expirer->has_looked = true;
	expirer->has_expired = false;
	expirer->look_at_ms = monotonic_ms() + LOOK_MS;
	if (rows == 0)
		look_for_next_end(expirer, moment);
}

/* ---- Wallets that wait ---- */

static void
forget_waiting(Expirer *expirer, int64 wallet_id)
{
	for (int i = 0; i < expirer->waiting_count; i++)
	{
		if (expirer->waiting[i].wallet_id == wallet_id)
			expirer->waiting[i--] = expirer->waiting[--expirer->waiting_count];
	}
}

/* Lets a wallet wait, for longer than the last time. */
static void
let_wait(Expirer *expirer, int64 wallet_id, int min_ms, int max_ms)
{
	int pause_ms = min_ms;

	for (int i = 0; i < expirer->waiting_count; i++)
	{
		if (expirer->waiting[i].wallet_id == wallet_id)
			pause_ms = Max(min_ms, Min(max_ms, expirer->waiting[i].pause_ms * 2));
	}
	forget_waiting(expirer, wallet_id);
	if (expirer->waiting_count < WAITING_MAX)
		expirer->waiting[expirer->waiting_count++] =
		    (Waiting){wallet_id, pause_ms, monotonic_ms() + pause_ms};
}

/* ---- Steps ---- */

/*
 * Expires what was loaded.  Returns the number of wallets of which all due holds were loaded:
 * where there was no room for all holds, those before the last wallet that has some.
 */
static int
expire_loaded(Expirer *expirer, Ledger *ledger, const Operation *operations, int count)
{
	WorkingSet *set = &ledger->set;
	bool are_all = ledger->due_count < ledger->due_max;
	int last = 0;

	for (int i = 0; i < count; i++)
	{
		Wallet *wallet = working_set_wallet(set, operations[i].source_wallet_id);

		CHECK_FOR_INTERRUPTS();
		if (wallet != NULL && wallet->due > 0)
			last = i;
	}
	for (int i = 0; i < count; i++)
	{
		int64 wallet_id = operations[i].source_wallet_id;
		Wallet *wallet = working_set_wallet(set, wallet_id);

		CHECK_FOR_INTERRUPTS();
		if (wallet != NULL)
			effects_expire_due(set, &ledger->effects, wallet);
		if (wallet != NULL)
			forget_waiting(expirer, wallet_id);
		else
			let_wait(expirer, wallet_id, LOCKED_MIN_MS, LOCKED_MAX_MS);
	}
	return are_all ? count : last;
}

/* Expires due holds of the next wallets. */
static void
take_step(Expirer *expirer)
{
	int count = Min(Max(expirer->step_holds_max / expirer->holds_of_wallet, 1),
	                Min(expirer->wallet_count - expirer->next, expirer->step_wallets_max));
	Operation *operations = palloc0(sizeof(Operation) * count);
	Ledger ledger;

	expirer->step_first = expirer->next;
	expirer->step_count = count;
	for (int i = 0; i < count; i++)
	{
		operations[i].kind = KIND_EXPIRY;
		operations[i].source_wallet_id = expirer->wallets[expirer->next + i];
	}
	ledger_open(&ledger, operations, count);
	ledger.due_max = expirer->step_holds_max;
	ledger_load(&ledger, LOCK_SKIP_AWAITED);
	expirer->step_taken = expire_loaded(expirer, &ledger, operations, count);
	expirer->step_expired = ledger.effects.transfer_count;
	ledger_settle(&ledger);
	if (!ledger_update(&ledger, NULL) || !ledger_insert(&ledger, NULL))
		elog(ERROR, "a locked wallet has changed");
	pfree(operations);
}

void
expirer_step(Expirer *expirer)
{
	expirer->step_count = expirer->step_taken = expirer->step_expired = 0;
	SPI_connect();
	if (expirer->next >= expirer->wallet_count)
		look(expirer);
	if (expirer->next < expirer->wallet_count)
	{
		int64 started_us = monotonic_us();

		take_step(expirer);
		expirer->step_us = monotonic_us() - started_us;
	}
	SPI_finish();
}

/* Returns how many holds the next step shall expire. */
static int
next_holds_max(const Expirer *expirer)
{
	int holds_max = expirer->step_holds_max;
	int fitting = (int) (holds_max * STEP_US / Max(expirer->step_us, 1));

	if (expirer->step_us > STEP_US)
		holds_max = Max(holds_max / 2, fitting);
	else if (expirer->step_expired >= holds_max / 2)
		holds_max = Min(holds_max * 2, fitting);
	return Min(Max(holds_max, STEP_HOLDS_MIN), STEP_HOLDS_MAX);
}

void
expirer_committed(Expirer *expirer)
{
	expirer->next += expirer->step_taken;
	expirer->step_wallets_max = Min(expirer->step_wallets_max * 2, STEP_HOLDS_MAX);
	expirer->failed_pause_ms = 0;
	expirer->has_expired = expirer->has_expired || expirer->step_expired > 0;
	/* A list that was worked off may have been cut off by LOOK_MAX. */
	if (expirer->has_expired && expirer->next >= expirer->wallet_count)
		expirer->look_at_ms = 0;
	if (expirer->step_expired > 0)
	{
		expirer->step_holds_max = next_holds_max(expirer);
		expirer->holds_of_wallet = Max(expirer->step_expired / Max(expirer->step_taken, 1), 1);
	}
}

void
expirer_failed(Expirer *expirer)
{
	expirer->failed_pause_ms = Min(Max(expirer->failed_pause_ms * 2, FAILED_MIN_MS), FAILED_MAX_MS);
	expirer->failed_until_ms = monotonic_ms() + expirer->failed_pause_ms;
	if (expirer->step_count == 1)
	{
		let_wait(expirer, expirer->wallets[expirer->step_first], FAILED_MIN_MS, FAILED_MAX_MS);
		expirer->next = expirer->step_first + 1;
		expirer->failed_until_ms = 0;
	}
	expirer->step_wallets_max = 1;
	if (expirer->step_count > 0)
		return;
	/* The look has failed. */
	expirer->has_looked = true;
	expirer->has_expired = false;
	expirer->next = expirer->wallet_count = 0;
}
