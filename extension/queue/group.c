/*
 * group.c
 *		Groups in the caller's own transaction: the legs are JSON, as those of a queued request.
 */
#include "base/version.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/clock.h"
#include "base/refusal.h"
#include "posting/calls.h"
#include "queue/payload.h"
#include "tables/idempotency.h"

PG_FUNCTION_INFO_V1(wallet_group);

/* wallet_group(legs jsonb, metadata, idempotency_key) → SETOF wallet.transfer_info */
Datum
wallet_group(PG_FUNCTION_ARGS)
{
	Operation group;
	StringInfoData message;
	Jsonb *json;
	char *legs;
	WalletCode code;

	require_argument(fcinfo, 0, "legs");
	json = PG_GETARG_JSONB_P(0);
	legs = JsonbToCString(NULL, &json->root, VARSIZE(json));
	initStringInfo(&message);
	code = payload_parse_legs(GetDatabaseEncoding(), legs, (int) strlen(legs), &group, &message);
	/* Where nothing else is wrong, the ends of holds are looked at after the key. */
	if (code == CODE_OK && payload_check(&group, 0, &message) != CODE_OK)
	{
		resetStringInfo(&message);
		code = payload_check(&group, ledger_now(), &message);
	}
	/* A fault of the key stands before most of the legs. */
	if (!PG_ARGISNULL(2) && !idempotency_key_is_valid(text_to_cstring(PG_GETARG_TEXT_PP(2))) &&
	    payload_first_fault(code, CODE_INVALID_IDEMPOTENCY_KEY) == CODE_INVALID_IDEMPOTENCY_KEY)
		refuse(CODE_INVALID_IDEMPOTENCY_KEY, NULL);
	if (code != CODE_OK)
		refuse_with_message(code, message.data);
	call_post_group(fcinfo, 1, &group);
	return (Datum) 0;
}
