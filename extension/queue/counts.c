/*
 * counts.c
 *		How many requests the queue has settled, by kind and code, and how large and long its
 *batches were.
 *
 * The numbers are kept in shared memory from the server's start on.  A batch is counted up in the
 * memory of the process first.  So shared memory sees one addition for each kind and code of a
 * batch.  Without shared memory nothing is counted.
 *
 * Locking: one LWLock protects the list of databases.  The numbers are atomic, and nobody needs two
 * of them to fit each other.
 */
#include "queue/counts.h"

#include <math.h>

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"

#include "base/settings.h"
#include "rules/codes.h"
#include "rules/kinds.h"

PG_FUNCTION_INFO_V1(wallet_counts);

/* Upper bounds of the histograms: seconds of a batch, and its requests. */
static const double bounds[][13] = {
    {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
    {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000, 100000},
};

#define BOUNDS_COUNT lengthof(bounds[0])

/* Each histogram is a row of bounds. */
typedef enum Measure
{
	MEASURE_SECONDS,
	MEASURE_REQUESTS,
	MEASURE_COUNT
} Measure;

static const char *const measure_names[MEASURE_COUNT] = {"wallet_batch_seconds",
                                                         "wallet_batch_requests"};

typedef struct Histogram
{
	pg_atomic_uint64 counts[BOUNDS_COUNT + 1]; /* up to each bound, and above the last */
	pg_atomic_uint64 sum;                      /* in microseconds, or in requests */
} Histogram;

#define PAIR_COUNT (KIND_END * CODE_COUNT)

/* What is counted of one database. */
typedef struct Counts
{
	Oid database; /* InvalidOid: free */
	pg_atomic_uint64 settled[PAIR_COUNT];
	Histogram histograms[MEASURE_COUNT];
} Counts;

typedef struct AllCounts
{
	LWLock *lock;
	int count;
	int next; /* when another database needs a place, it gets this one */
	Counts databases[FLEXIBLE_ARRAY_MEMBER];
} AllCounts;

static AllCounts *shared = NULL;

/* What this process has settled and not added yet: pairs, and how often. */
static int64 pending[PAIR_COUNT];
static int16 touched[PAIR_COUNT];
static int touched_count = 0;

StaticAssertDecl(PAIR_COUNT <= PG_INT16_MAX, "a pair of kind and code is an int16");

Size
counts_size(void)
{
	return offsetof(AllCounts, databases) + sizeof(Counts) * setting_workers_max;
}

static void
clear(Counts *counts, Oid database)
{
	for (int i = 0; i < PAIR_COUNT; i++)
		pg_atomic_init_u64(&counts->settled[i], 0);
	for (int i = 0; i < MEASURE_COUNT; i++)
	{
		for (int k = 0; k <= BOUNDS_COUNT; k++)
			pg_atomic_init_u64(&counts->histograms[i].counts[k], 0);
		pg_atomic_init_u64(&counts->histograms[i].sum, 0);
	}
	counts->database = database;
}

void
counts_start(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	if (!is_new)
		return;
	shared->lock = lock;
	shared->count = setting_workers_max;
	for (int i = 0; i < shared->count; i++)
		clear(&shared->databases[i], InvalidOid);
}

static Counts *
find_counts(void)
{
	Assert(LWLockHeldByMe(shared->lock));
	for (int i = 0; i < shared->count; i++)
	{
		if (shared->databases[i].database == MyDatabaseId)
			return &shared->databases[i];
	}
	return NULL;
}

/* Locks the list of databases, and returns this one's place; makes one when there is none. */
static Counts *
lock_counts(void)
{
	Counts *counts;

	LWLockAcquire(shared->lock, LW_SHARED);
	counts = find_counts();
	if (counts != NULL)
		return counts;
	LWLockRelease(shared->lock);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	counts = find_counts();
	if (counts == NULL)
	{
		counts = &shared->databases[shared->next++ % shared->count];
		clear(counts, MyDatabaseId);
	}
	return counts;
}

/* Adds what is pending, or forgets it. */
static void
end_pending(bool counts_it)
{
	Counts *counts = touched_count > 0 && counts_it ? lock_counts() : NULL;

	for (int i = 0; i < touched_count; i++)
	{
		if (counts != NULL)
			pg_atomic_fetch_add_u64(&counts->settled[touched[i]], pending[touched[i]]);
		pending[touched[i]] = 0;
	}
	touched_count = 0;
	if (counts != NULL)
		LWLockRelease(shared->lock);
}

/* A prepared transaction is not counted, nor is anything taken back with a savepoint. */
static void
transaction_ended(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		end_pending(event == XACT_EVENT_COMMIT);
}

void
counts_settle(const Request *requests, const RequestFate *fates, int count, bool at_commit)
{
	static bool is_registered = false;

	if (shared == NULL)
		return;
	for (int i = 0; i < count; i++)
	{
		/* A newer version may have stored a kind that this one does not know. */
		int kind = kind_is_known(requests[i].kind) ? requests[i].kind : 0;
		int pair = kind * CODE_COUNT + fates[i];

		Assert(fates[i] < CODE_COUNT);
		if (fates[i] != FATE_DEFERRED && pending[pair]++ == 0)
			touched[touched_count++] = pair;
	}
	if (!at_commit)
		end_pending(true);
	else if (!is_registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		is_registered = true;
	}
}

static void
observe(Counts *counts, Measure measure, double value, uint64 amount)
{
	int k = 0;

	while (k < BOUNDS_COUNT && value > bounds[measure][k])
		k++;
	pg_atomic_fetch_add_u64(&counts->histograms[measure].counts[k], 1);
	pg_atomic_fetch_add_u64(&counts->histograms[measure].sum, amount);
}

void
counts_batch(int requests, int64 us)
{
	Counts *counts;

	if (shared == NULL)
		return;
	counts = lock_counts();
	observe(counts, MEASURE_SECONDS, us / 1e6, us);
	observe(counts, MEASURE_REQUESTS, requests, requests);
	LWLockRelease(shared->lock);
}

/* ---- who asks ---- */

/* The columns of wallet.counts(). */
typedef enum CountColumn
{
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_CODE,
	COLUMN_LE,
	COLUMN_VALUE,
	COLUMN_COUNT
} CountColumn;

/* Puts a row; what is NULL, and a bound of 0, is SQL's null. */
static void
put_row(ReturnSetInfo *result, const char *name, const char *kind, const char *code, double le,
        double value)
{
	Datum values[COLUMN_COUNT] = {0};
	bool nulls[COLUMN_COUNT] = {
	    [COLUMN_KIND] = kind == NULL, [COLUMN_CODE] = code == NULL, [COLUMN_LE] = le == 0};

	values[COLUMN_NAME] = CStringGetTextDatum(name);
	if (kind != NULL)
		values[COLUMN_KIND] = CStringGetTextDatum(kind);
	if (code != NULL)
		values[COLUMN_CODE] = CStringGetTextDatum(code);
	values[COLUMN_LE] = Float8GetDatum(le);
	values[COLUMN_VALUE] = Float8GetDatum(value);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_histogram(ReturnSetInfo *result, Histogram *histogram, Measure measure)
{
	const char *name = measure_names[measure];
	double sum = (double) pg_atomic_read_u64(&histogram->sum);
	uint64 count = 0;

	for (int k = 0; k <= BOUNDS_COUNT; k++)
	{
		count += pg_atomic_read_u64(&histogram->counts[k]);
		put_row(result, psprintf("%s_bucket", name), NULL, NULL,
		        k < BOUNDS_COUNT ? bounds[measure][k] : INFINITY, (double) count);
	}
	put_row(result, psprintf("%s_sum", name), NULL, NULL, 0,
	        measure == MEASURE_SECONDS ? sum / 1e6 : sum);
	put_row(result, psprintf("%s_count", name), NULL, NULL, 0, (double) count);
}

/*
 * wallet.counts() → (name, kind, code, le, value): what was counted in this database since the
 * server started, as samples that Prometheus knows; no row where nothing was.
 */
Datum
wallet_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Counts *copy = NULL;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	if (find_counts() != NULL)
	{
		copy = palloc(sizeof(Counts));
		memcpy(copy, find_counts(), sizeof(Counts));
	}
	LWLockRelease(shared->lock);
	if (copy == NULL)
		return (Datum) 0;
	for (int i = 0; i < PAIR_COUNT; i++)
	{
		uint64 value = pg_atomic_read_u64(&copy->settled[i]);
		const char *kind = kind_name(i / CODE_COUNT);

		if (value > 0)
			put_row(result, "wallet_requests_total", kind == NULL ? "unknown" : kind,
			        wallet_codes[i % CODE_COUNT].name, 0, (double) value);
	}
	for (int i = 0; i < MEASURE_COUNT; i++)
		put_histogram(result, &copy->histograms[i], (Measure) i);
	return (Datum) 0;
}
