/*
 * store_sql.c
 *		The tables as posting sees them, in set-based SQL with kept plans: one statement for any
 *		number of rows.
 *
 * What is not on the hot paths is here alone.  The functions sql_* do what those of store.c do, for
 * tables that store.c leaves to statements: with triggers, rules or row security of the user's,
 * partitioned, or on another server.  Columns are cast to the types that we read, since their own
 * may have been altered.
 */
#include "tables/store_sql.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/relations.h"
#include "base/statement.h"
#include "rules/codes.h"
#include "rules/post.h"
#include "tables/store.h"

#define SELECT_WALLETS                                                                             \
	"SELECT w.wallet_id::bigint, w.user_id::bigint, w.balance::bigint, "                           \
	"w.last_transfer_id::bigint, w.created_at::timestamptz, w.updated_at::timestamptz, "           \
	"w.status::text, w.currency::text, c.minor_digits::bigint, c.outside_wallet_id::bigint "       \
	"FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency "

static Statement lock_wallets_waiting = {
    SELECT_WALLETS "WHERE w.wallet_id = ANY ($1) ORDER BY w.wallet_id FOR NO KEY UPDATE OF w",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement lock_wallets_skipping = {
    SELECT_WALLETS
    "WHERE w.wallet_id = ANY ($1) ORDER BY w.wallet_id FOR NO KEY UPDATE OF w SKIP LOCKED",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement find_wallet = {SELECT_WALLETS "WHERE w.wallet_id = $1", 1, {INT8OID}, NULL};

static Statement find_wallet_ids = {
    "SELECT w.wallet_id::bigint FROM wallet.wallet AS w WHERE w.wallet_id = ANY ($1)",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement find_user_ids = {
    "SELECT w.user_id::bigint FROM wallet.wallet AS w WHERE w.user_id = ANY ($1)",
    1,
    {INT8ARRAYOID},
    NULL,
};

static Statement find_currency = {
    "SELECT c.code::text, c.minor_digits::bigint, c.outside_wallet_id::bigint "
    "FROM wallet.currency AS c WHERE c.code = $1",
    1,
    {TEXTOID},
    NULL,
};

static Statement get_transfer = {
    "SELECT t.source_wallet_id::bigint, t.destination_wallet_id::bigint, t.amount::bigint, "
    "t.source_balance::bigint, t.destination_balance::bigint, t.posted_at::timestamptz, "
    "c.code::text, c.minor_digits::bigint "
    "FROM wallet.transfer AS t "
    "JOIN wallet.wallet AS w ON w.wallet_id = greatest(t.source_wallet_id, "
    "t.destination_wallet_id) "
    "JOIN wallet.currency AS c ON c.code = w.currency WHERE t.transfer_id = $1",
    1,
    {INT8OID},
    NULL,
};

static Statement insert_wallets = {
    "INSERT INTO wallet.wallet (wallet_id, user_id, balance, last_transfer_id, created_at, "
    "updated_at, status, currency) "
    "SELECT n.wallet_id, n.user_id, n.balance, n.last_transfer_id, n.created_at, n.updated_at, "
    "'active', n.currency "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7) AS n (wallet_id, user_id, balance, last_transfer_id, "
    "created_at, updated_at, currency) ON CONFLICT (user_id) DO NOTHING",
    7,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID,
     TIMESTAMPTZARRAYOID, TEXTARRAYOID},
    NULL,
};

static Statement update_wallets = {
    "UPDATE wallet.wallet AS w SET balance = n.balance, last_transfer_id = n.last_transfer_id, "
    "updated_at = n.updated_at "
    "FROM unnest($1, $2, $3, $4) AS n (wallet_id, balance, last_transfer_id, updated_at) "
    "WHERE w.wallet_id = n.wallet_id",
    4,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID},
    NULL,
};

static Statement update_status = {
    "UPDATE wallet.wallet SET status = $2::wallet.status, updated_at = $3 WHERE wallet_id = $1",
    3,
    {INT8OID, TEXTOID, TIMESTAMPTZOID},
    NULL,
};

/* 0 stands for null in ids; the outside has a negative id and no stored balance. */
static Statement insert_transfers = {
    "INSERT INTO wallet.transfer (transfer_id, request_id, source_wallet_id, "
    "destination_wallet_id, amount, source_balance, destination_balance, source_previous, "
    "destination_previous, posted_at, kind, metadata) "
    "SELECT n.transfer_id, nullif(n.request_id, 0), n.source, n.destination, n.amount, "
    "CASE WHEN n.source > 0 THEN n.source_balance END, "
    "CASE WHEN n.destination > 0 THEN n.destination_balance END, "
    "nullif(n.source_previous, 0), nullif(n.destination_previous, 0), n.posted_at, "
    "n.kind, $12 "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS n (transfer_id, request_id, "
    "source, destination, amount, source_balance, destination_balance, source_previous, "
    "destination_previous, posted_at, kind)",
    12,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
     INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, JSONBOID},
    NULL,
};

static Statement insert_outcomes = {
    "INSERT INTO wallet.outcome (request_id, wallet_id, balance, updated_at, posted_at, status, "
    "code) "
    "SELECT n.request_id, nullif(n.wallet_id, 0), "
    "CASE WHEN n.status <> '' THEN n.balance END, CASE WHEN n.status <> '' THEN n.updated_at END, "
    "CASE WHEN n.status <> '' THEN greatest($7, n.updated_at) ELSE $7 END, "
    "nullif(n.status, '')::wallet.status, n.code "
    "FROM unnest($1, $2, $3, $4, $5, $6) AS n (request_id, wallet_id, balance, updated_at, status, "
    "code)",
    7,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
     TIMESTAMPTZOID},
    NULL,
};

static Currency
result_currency(uint64 row, int first_column)
{
	Currency currency = {
	    .minor_digits = (int) result_int64(row, first_column + 1),
	    .outside_wallet_id = result_int64(row, first_column + 2),
	};

	strlcpy(currency.code, result_text(row, first_column), sizeof(currency.code));
	return currency;
}

static Wallet
result_wallet(uint64 row)
{
	Wallet wallet = {
	    .wallet_id = result_int64(row, 1),
	    .user_id = result_int64(row, 2),
	    .balance = result_int64(row, 3),
	    .last_transfer_id = result_int64(row, 4),
	    .created_at = result_int64(row, 5),
	    .updated_at = result_int64(row, 6),
	    .currency = result_currency(row, 8),
	};

	if (!status_from_name(result_text(row, 7), &wallet.status))
		elog(ERROR, "wallet " INT64_FORMAT " has an unknown status", wallet.wallet_id);
	return wallet;
}

int
sql_lock_wallets(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets)
{
	Datum ids = int64_array(wallet_ids, count);

	statement_run(lock_waits(mode) ? &lock_wallets_waiting : &lock_wallets_skipping, &ids, NULL,
	              false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		wallets[row] = result_wallet(row);
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) SPI_processed;
}

/* Run a statement of one array of ids that returns ids. */
static int
find_ids(Statement *statement, const int64 *ids, int count, int64 *found)
{
	Datum argument = int64_array(ids, count);

	statement_run(statement, &argument, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		found[row] = result_int64(row, 1);
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) SPI_processed;
}

int
store_existing_wallets(const int64 *wallet_ids, int count, int64 *found)
{
	return find_ids(&find_wallet_ids, wallet_ids, count, found);
}

int
store_users_with_wallets(const int64 *user_ids, int count, int64 *found)
{
	return find_ids(&find_user_ids, user_ids, count, found);
}

bool
store_user_is_busy(int64 user_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
	return index_entry_is_busy("wallet", (const char *[]){"user_id"}, &key, 1);
}

bool
store_find_wallet(int64 wallet_id, Wallet *wallet)
{
	Datum id = Int64GetDatum(wallet_id);
	bool found;

	statement_run(&find_wallet, &id, NULL, false);
	found = SPI_processed > 0;
	if (found)
		*wallet = result_wallet(0);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

bool
sql_find_currency(const char *code, Currency *currency)
{
	Datum argument = CStringGetTextDatum(code);
	bool found;

	statement_run(&find_currency, &argument, NULL, false);
	found = SPI_processed > 0;
	if (found)
		*currency = result_currency(0, 1);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

void
store_get_transfer(int64 transfer_id, Transfer *transfer, Currency *currency)
{
	Datum id = Int64GetDatum(transfer_id);

	statement_run(&get_transfer, &id, NULL, false);
	if (SPI_processed != 1)
		elog(ERROR, "there is no transfer " INT64_FORMAT, transfer_id);
	*transfer = (Transfer){
	    .transfer_id = transfer_id,
	    .source_wallet_id = result_int64(0, 1),
	    .destination_wallet_id = result_int64(0, 2),
	    .amount = result_int64(0, 3),
	    .source_balance = result_int64(0, 4),
	    .destination_balance = result_int64(0, 5),
	    .posted_at = result_int64(0, 6),
	};
	strlcpy(currency->code, result_text(0, 7), sizeof(currency->code));
	currency->minor_digits = (int) result_int64(0, 8);
	SPI_freetuptable(SPI_tuptable);
}

/*
 * A wallet that was not inserted is one whose user has got another wallet meanwhile; or else a
 * trigger or a rule of the user's has swallowed the wallet.
 */
static void
expect_users_with_wallets(const Wallet *wallets, int count)
{
	int64 *users = palloc(sizeof(int64) * count);

	for (int i = 0; i < count; i++)
		users[i] = wallets[i].user_id;
	(void) store_users_with_wallets(users, count, users);
	result_expect(count, "wallet.wallet");
	pfree(users);
}

int
store_insert_wallets(const Wallet *wallets, int count)
{
	const char **currencies = palloc(sizeof(char *) * count);
	int inserted;

	for (int i = 0; i < count; i++)
		currencies[i] = wallets[i].currency.code;
	statement_run(&insert_wallets,
	              (Datum[]){
	                  INT64_MEMBER(wallets, count, Wallet, wallet_id),
	                  INT64_MEMBER(wallets, count, Wallet, user_id),
	                  INT64_MEMBER(wallets, count, Wallet, balance),
	                  INT64_MEMBER(wallets, count, Wallet, last_transfer_id),
	                  TIME_MEMBER(wallets, count, Wallet, created_at),
	                  TIME_MEMBER(wallets, count, Wallet, updated_at),
	                  text_array(currencies, count),
	              },
	              NULL, false);
	inserted = (int) SPI_processed;
	if (inserted < count)
		expect_users_with_wallets(wallets, count);
	return inserted;
}

void
sql_update_wallets(const Wallet *wallets, int count)
{
	statement_run(&update_wallets,
	              (Datum[]){
	                  INT64_MEMBER(wallets, count, Wallet, wallet_id),
	                  INT64_MEMBER(wallets, count, Wallet, balance),
	                  INT64_MEMBER(wallets, count, Wallet, last_transfer_id),
	                  TIME_MEMBER(wallets, count, Wallet, updated_at),
	              },
	              NULL, false);
	result_expect(count, "wallet.wallet");
}

void
store_update_status(const Wallet *wallet)
{
	statement_run(&update_status,
	              (Datum[]){
	                  Int64GetDatum(wallet->wallet_id),
	                  CStringGetTextDatum(status_names[wallet->status]),
	                  TimestampTzGetDatum(wallet->updated_at),
	              },
	              NULL, false);
	result_expect(1, "wallet.wallet");
}

void
sql_insert_transfers(const Transfer *transfers, int count, const Datum *metadata)
{
	int64 *kinds = palloc(sizeof(int64) * count);

	for (int i = 0; i < count; i++)
		kinds[i] = transfers[i].kind;
	statement_run(&insert_transfers,
	              (Datum[]){
	                  INT64_MEMBER(transfers, count, Transfer, transfer_id),
	                  INT64_MEMBER(transfers, count, Transfer, request_id),
	                  INT64_MEMBER(transfers, count, Transfer, source_wallet_id),
	                  INT64_MEMBER(transfers, count, Transfer, destination_wallet_id),
	                  INT64_MEMBER(transfers, count, Transfer, amount),
	                  INT64_MEMBER(transfers, count, Transfer, source_balance),
	                  INT64_MEMBER(transfers, count, Transfer, destination_balance),
	                  INT64_MEMBER(transfers, count, Transfer, source_previous),
	                  INT64_MEMBER(transfers, count, Transfer, destination_previous),
	                  TIME_MEMBER(transfers, count, Transfer, posted_at),
	                  int64_array(kinds, count),
	                  metadata == NULL ? (Datum) 0 : *metadata,
	              },
	              metadata == NULL ? "           n" : NULL, false);
	result_expect(count, "wallet.transfer");
}

void
sql_insert_outcomes(const Outcome *outcomes, int count, TimestampTz posted_at)
{
	const char **statuses = palloc(sizeof(char *) * count);
	const char **codes = palloc(sizeof(char *) * count);

	for (int i = 0; i < count; i++)
	{
		/* Only a queued read keeps what it saw. */
		statuses[i] = outcomes[i].updated_at == 0 ? "" : status_names[outcomes[i].status];
		codes[i] = wallet_codes[outcomes[i].code].name;
	}
	statement_run(&insert_outcomes,
	              (Datum[]){
	                  INT64_MEMBER(outcomes, count, Outcome, request_id),
	                  INT64_MEMBER(outcomes, count, Outcome, wallet_id),
	                  INT64_MEMBER(outcomes, count, Outcome, balance),
	                  TIME_MEMBER(outcomes, count, Outcome, updated_at),
	                  text_array(statuses, count),
	                  text_array(codes, count),
	                  TimestampTzGetDatum(posted_at),
	              },
	              NULL, false);
	result_expect(count, "wallet.outcome");
}
