/*
 * refusal.c
 *		Codes as SQL errors, their words for SQL functions, and whose fault other errors are.
 */
#include "pg_wallet.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(wallet_refuse);
PG_FUNCTION_INFO_V1(wallet_code_message);

static int
sqlstate_of(WalletCode code)
{
	const char *state = wallet_codes[code].sqlstate;

	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

static int
errhint_of(WalletCode code)
{
	return wallet_codes[code].hint[0] == '\0' ? 0 : errhint("%s", wallet_codes[code].hint);
}

/*
 * A refusal says all there is to say.  The statement, which the server's log would repeat, may hold
 * a handshake or an idempotency key.
 */
void
refuse(WalletCode code, const char *detail)
{
	ereport(ERROR,
	        (errcode(sqlstate_of(code)), errmsg("%s", wallet_codes[code].message),
	         detail == NULL ? 0 : errdetail("%s", detail), errhint_of(code), errhidestmt(true)));
}

void
refuse_with_message(WalletCode code, const char *message)
{
	ereport(ERROR, (errcode(sqlstate_of(code)), errmsg("%s", message), errhint_of(code),
	                errhidestmt(true)));
}

bool
is_fault_of_request(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'): /* operator intervention */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'): /* system error */
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

static WalletCode
code_from_name(const char *name)
{
	for (int code = 0; code < CODE_COUNT; code++)
	{
		if (strcmp(wallet_codes[code].name, name) == 0)
			return (WalletCode) code;
	}
	elog(ERROR, "there is no code \"%s\"", name);
}

/* wallet.refuse(code text, detail text): raises the code's error. */
Datum
wallet_refuse(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		elog(ERROR, "a code is required");
	refuse(code_from_name(text_to_cstring(PG_GETARG_TEXT_PP(0))),
	       PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* wallet.code_message(code text) → text: what the code means. */
Datum
wallet_code_message(PG_FUNCTION_ARGS)
{
	WalletCode code = code_from_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(wallet_codes[code].message));
}
