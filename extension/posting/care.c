/*
 * care.c
 *		What operators do with wallets: status, limits, and closing with a sweep.
 *
 * Locking: docs/posting.md, "Lock modes".  All wallets of a call are locked first.
 */
#include "base/version.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/money.h"
#include "base/refusal.h"
#include "posting/calls.h"
#include "posting/details.h"
#include "posting/results.h"
#include "rules/wallet.h"
#include "tables/limit_changes.h"

PG_FUNCTION_INFO_V1(wallet_set_status);
PG_FUNCTION_INFO_V1(wallet_set_limits);
PG_FUNCTION_INFO_V1(wallet_close);

/* The wallets are locked, and memory is the caller's. */
typedef struct Care
{
	Operation operation; /* names the wallet as its source */
	Ledger ledger;
	LedgerRoom room;
} Care;

static void
begin_care(Care *care, int64 wallet_id, int64 other_wallet_id)
{
	/* What a sweep touches and writes is what these calls touch and write. */
	care->operation = (Operation){
	    .kind = KIND_SWEEP,
	    .source_wallet_id = wallet_id,
	    .destination_wallet_id = other_wallet_id,
	    .amount = AMOUNT_NONE,
	    .max_capture = AMOUNT_NONE,
	};
	SPI_connect();
	ledger_open_one(&care->ledger, &care->room, &care->operation);
	ledger_load(&care->ledger, LOCK_WAIT);
}

/* Refuses, or stores what the rule has done. */
static void
store_care(Care *care, WalletCode code)
{
	if (code != CODE_OK)
		refuse(code, call_detail(&care->operation, code, &care->ledger));
	ledger_settle(&care->ledger);
	(void) ledger_update(&care->ledger, NULL);
	(void) ledger_insert(&care->ledger, NULL);
}

static Datum
end_care(FunctionCallInfo fcinfo, const Care *care)
{
	Wallet wallet = *working_set_wallet(&care->ledger.set, care->operation.source_wallet_id);

	SPI_finish();
	return wallet_result(fcinfo, &wallet);
}

/* wallet_set_status(wallet_id bigint, status text) → wallet.wallet_info */
Datum
wallet_set_status(PG_FUNCTION_ARGS)
{
	int64 wallet_id = id_argument(fcinfo, 0, "wallet_id");
	WalletStatus status;
	Care care;

	require_argument(fcinfo, 1, "status");
	require_writes(fcinfo);
	if (!status_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)), &status))
		refuse(CODE_UNKNOWN_STATUS, NULL);
	begin_care(&care, wallet_id, 0);
	store_care(&care, rule_status(wallet_id, status, &care.ledger.set, &care.ledger.effects));
	return end_care(fcinfo, &care);
}

/*
 * wallet_close(wallet_id bigint, sweep_to bigint) → wallet.wallet_info
 * Moves the whole balance to another wallet, where one is given, and closes the wallet.
 */
Datum
wallet_close(PG_FUNCTION_ARGS)
{
	int64 wallet_id = id_argument(fcinfo, 0, "wallet_id");
	int64 sweep_to = optional_id_argument(fcinfo, 1, "sweep_to");
	Care care;

	require_writes(fcinfo);
	begin_care(&care, wallet_id, sweep_to);
	store_care(&care, rule_close(&care.operation, &care.ledger.set, &care.ledger.effects));
	return end_care(fcinfo, &care);
}

static bool
is_infinity(Numeric value)
{
	return strcmp(numeric_normalize(value), "Infinity") == 0;
}

/* The cause of a refusal that only the limits know; NULL for other ones. */
static char *
describe_limits(const Limits *limits, WalletCode code, const Wallet *wallet)
{
	const Currency *currency = &wallet->currency;
	int64 floor = wallet->floor;
	int64 ceiling = wallet->ceiling;
	char *detail;

	if (code == CODE_FLOOR_ABOVE_CEILING)
	{
		if (AMOUNT_IS_GIVEN(limits->floor))
			(void) amount_to_minor(limits->floor, currency->minor_digits, &floor);
		if (AMOUNT_IS_GIVEN(limits->ceiling))
			(void) amount_to_minor(limits->ceiling, currency->minor_digits, &ceiling);
		return psprintf("The floor is %s, and the ceiling is %s.", money_text(floor, currency),
		                money_text(ceiling, currency));
	}
	if (code != CODE_AMOUNT_PRECISION && code != CODE_AMOUNT_TOO_LARGE)
		return NULL;
	detail = amount_detail("floor", limits->floor, code, currency);
	return detail != NULL ? detail : amount_detail("ceiling", limits->ceiling, code, currency);
}

/*
 * wallet_set_limits(wallet_id bigint, floor numeric, ceiling numeric) → wallet.wallet_info
 * What is null stays; the ceiling "infinity" takes the ceiling away.
 */
Datum
wallet_set_limits(PG_FUNCTION_ARGS)
{
	int64 wallet_id = id_argument(fcinfo, 0, "wallet_id");
	Limits limits = {
	    .floor = optional_amount_argument(fcinfo, 1, "floor"),
	    .no_ceiling = !PG_ARGISNULL(2) && is_infinity(PG_GETARG_NUMERIC(2)),
	    .ceiling = AMOUNT_NONE,
	};
	Care care;
	Wallet before = {0};
	const Wallet *wallet;
	WalletCode code;
	char *detail;

	require_writes(fcinfo);
	if (!limits.no_ceiling)
		limits.ceiling = optional_amount_argument(fcinfo, 2, "ceiling");
	if (!AMOUNT_IS_GIVEN(limits.floor) && !AMOUNT_IS_GIVEN(limits.ceiling) && !limits.no_ceiling)
		refuse(CODE_MISSING_MEMBER, "Give a floor, a ceiling or both.");
	begin_care(&care, wallet_id, 0);
	wallet = working_set_wallet(&care.ledger.set, wallet_id);
	if (wallet != NULL)
		before = *wallet;
	code = rule_limits(wallet_id, &limits, &care.ledger.set, &care.ledger.effects);
	detail = code == CODE_OK || wallet == NULL ? NULL : describe_limits(&limits, code, wallet);
	if (detail != NULL)
		refuse(code, detail);
	store_care(&care, code);
	limit_changes_insert(&before, wallet);
	return end_care(fcinfo, &care);
}
