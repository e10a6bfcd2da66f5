/*
 * held.c
 *		How many holds are open in each currency, and what they hold.
 *
 * No table keeps these sums: each payment that makes or ends a hold would change the same row.  So
 * they are added up from the open holds, by the index that has these alone.  A million open holds
 * take about two seconds.  The result is kept in shared memory for KEPT_TIMES as long as it took,
 * so that whoever asks often takes no more than a hundredth of one processor.
 *
 * Locking: one LWLock protects the shared memory.  No process holds the lock while it adds up: two
 * may do so at the same time, and the later result stays.
 */
#include "server/held.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/statement.h"

PG_FUNCTION_INFO_V1(wallet_held_sums);

#define KEPT_TIMES 100

/* Results with more rows are not kept: ISO 4217 has fewer currencies. */
#define ROWS_MAX 256

/* One currency: the sum is a number in minor units, which may be larger than 64 bits. */
typedef struct HeldSum
{
	char currency[4];
	int64 holds;
	char held[40];
} HeldSum;

typedef struct HeldSums
{
	Oid database; /* InvalidOid: free */
	int64 until_us;
	int count;
	HeldSum sums[ROWS_MAX];
} HeldSums;

typedef struct AllHeldSums
{
	LWLock *lock;
	int count;
	int next; /* when another database needs a place, it gets this one */
	HeldSums databases[FLEXIBLE_ARRAY_MEMBER];
} AllHeldSums;

static AllHeldSums *shared = NULL;

static Statement add_up = {
    "SELECT w.currency::text, count(*), sum(h.rest)::text "
    "FROM wallet.hold AS h JOIN wallet.wallet AS w ON w.wallet_id = h.source_wallet_id "
    "WHERE h.state = 0 GROUP BY w.currency",
    0,
    {0},
    NULL,
};

Size
held_size(void)
{
	return offsetof(AllHeldSums, databases) + sizeof(HeldSums) * setting_workers_max;
}

void
held_start(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	if (!is_new)
		return;
	shared->lock = lock;
	shared->count = setting_workers_max;
}

static HeldSums *
find_sums(void)
{
	Assert(LWLockHeldByMe(shared->lock));
	for (int i = 0; i < shared->count; i++)
	{
		if (shared->databases[i].database == MyDatabaseId)
			return &shared->databases[i];
	}
	return NULL;
}

/* Copies the sums that were kept; false when there are none, or when they are too old. */
static bool
copy_kept(HeldSums *copy)
{
	HeldSums *kept;
	bool is_fresh;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared->lock, LW_SHARED);
	kept = find_sums();
	is_fresh = kept != NULL && monotonic_us() < kept->until_us;
	if (is_fresh)
		*copy = *kept;
	LWLockRelease(shared->lock);
	return is_fresh;
}

static void
keep(const HeldSums *sums)
{
	HeldSums *kept;

	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	kept = find_sums();
	if (kept == NULL)
		kept = &shared->databases[shared->next++ % shared->count];
	*kept = *sums;
	LWLockRelease(shared->lock);
}

/* Adds up the open holds of the active snapshot. */
static void
count_holds(HeldSums *sums)
{
	int64 from_us = monotonic_us();

	SPI_connect();
	statement_run(&add_up, NULL, NULL, true);
	*sums = (HeldSums){.database = MyDatabaseId, .count = (int) Min(SPI_processed, ROWS_MAX)};
	for (int i = 0; i < sums->count; i++)
	{
		HeldSum *sum = &sums->sums[i];

		strlcpy(sum->currency, result_text(i, 1), sizeof(sum->currency));
		sum->holds = result_int64(i, 2);
		strlcpy(sum->held, result_text(i, 3), sizeof(sum->held));
	}
	SPI_finish();
	sums->until_us = monotonic_us() + (monotonic_us() - from_us) * KEPT_TIMES;
}

/*
 * wallet.held_sums() → (currency, holds, held): the open holds of each currency that has some, and
 * what they hold, in minor units, as text.
 */
Datum
wallet_held_sums(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HeldSums *sums = palloc(sizeof(HeldSums));

	InitMaterializedSRF(fcinfo, 0);
	if (!copy_kept(sums))
	{
		count_holds(sums);
		keep(sums);
	}
	for (int i = 0; i < sums->count; i++)
	{
		const HeldSum *sum = &sums->sums[i];
		bool nulls[3] = {false};
		Datum values[3] = {CStringGetTextDatum(sum->currency), Int64GetDatum(sum->holds),
		                   CStringGetTextDatum(sum->held)};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
