/*
 * refusal.c
 *		Codes as SQL errors, their words for SQL functions, and whose fault other errors are.
 */
#include "base/refusal.h"

#include "common/string.h"
#include "utils/builtins.h"

#include "rules/codes.h"

PG_FUNCTION_INFO_V1(wallet_refuse);
PG_FUNCTION_INFO_V1(wallet_code_message);

int
sqlstate_of(WalletCode code)
{
	const char *state = wallet_codes[code].sqlstate;

	Assert(code > CODE_OK && code < CODE_COUNT);

	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

static int
errhint_of(WalletCode code)
{
	return wallet_codes[code].hint[0] == '\0' ? 0 : errhint("%s", wallet_codes[code].hint);
}

/*
 * The statement is kept out of the server's log, because it may contain a handshake or an
 * idempotency key.
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

/* Whose fault an error is, by the first characters of its SQLSTATE. */
typedef struct Fault
{
	const char *prefix; /* of the SQLSTATE; the longest one that fits decides */
	bool is_of_request;
} Fault;

/*
 * A queued request was acknowledged, so the request is refused only when its own data have caused
 * the error.  Every other error (resources, settings, objects that an operator has changed, the
 * state of a session or of another server) makes the request wait.  docs/operations.md, "Whose
 * fault an error is", has the reasons.  PostgreSQL raises no error of a class that is not listed
 * here: a user's trigger has raised it, to refuse the request.  A trigger may raise one of our own
 * codes (class PW); then the request is refused with that code.
 */
static const Fault faults[] = {
    {"03", false},    /* SQL statement not yet complete: a function that is wrong */
    {"08", false},    /* connection: another server is away */
    {"0A", false},    /* feature not supported: a table or a function that is wrong */
    {"0B", false},    /* invalid transaction initiation */
    {"0F", false},    /* locator */
    {"0L", false},    /* invalid grantor: rights */
    {"0P", false},    /* invalid role specification: rights */
    {"0Z", false},    /* diagnostics: a function that is wrong */
    {"22", true},     /* data exception */
    {"2200H", false}, /* a sequence is at its end */
    {"23", true},     /* constraint violation; see also is_broken_table */
    {"24", false},    /* invalid cursor state: a function that is wrong */
    {"25", false},    /* invalid transaction state: read-only, aborted */
    {"26", false},    /* invalid statement name */
    {"28", false},    /* invalid authorization: another server refuses us */
    {"2B", false},    /* dependent objects exist */
    {"2D", false},    /* invalid transaction termination */
    {"2F", false},    /* SQL routine: a function that is wrong */
    {"34", false},    /* invalid cursor name */
    {"39", false},    /* external routine invocation: a function that is wrong */
    {"3B", false},    /* savepoint */
    {"3D", false},    /* invalid catalog name: a database is gone */
    {"3F", false},    /* invalid schema name: a schema is gone */
    {"40", false},    /* transaction rollback: serialization, deadlock */
    {"42", false},    /* syntax or access: objects and rights that were changed */
    {"53", false},    /* insufficient resources: disk, memory, connections */
    {"54", false},    /* program limit exceeded: stack depth, width of an index */
    {"55", false},    /* object not in prerequisite state: locked, not initialized */
    {"57", false},    /* operator intervention: cancelled, shut down */
    {"58", false},    /* system error: I/O */
    {"72", false},    /* snapshot too old */
    {"F0", false},    /* configuration file */
    {"HV", false},    /* foreign data wrapper: another server */
    {"XX", false},    /* internal error, damaged data or index */
};

/*
 * Whether the error violates one of our own constraints.  That happens only when a table is
 * broken: a sequence was set back and gives an id twice, a partition is missing, or a user has
 * added a column that may not be null.
 */
static bool
is_broken_table(const ErrorData *error)
{
	static const char *const own_keys[] = {"wallet_pkey",   "wallet_user_id_key",
	                                       "transfer_pkey", "transfer_request_id_key",
	                                       "request_",      "outcome_"};

	if (error->schema_name == NULL || strcmp(error->schema_name, "wallet") != 0)
		return false;
	if (error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION)
		return true;
	if (error->sqlerrcode == ERRCODE_CHECK_VIOLATION)
		return error->constraint_name == NULL;
	for (int i = 0; error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && i < lengthof(own_keys); i++)
	{
		size_t length = strlen(own_keys[i]);
		bool is_prefix = own_keys[i][length - 1] == '_';

		if (error->constraint_name == NULL)
			return false;
		if (is_prefix ? strncmp(error->constraint_name, own_keys[i], length) == 0 &&
		                    pg_str_endswith(error->constraint_name, "_pkey")
		              : strcmp(error->constraint_name, own_keys[i]) == 0)
			return true;
	}
	return false;
}

bool
is_fault_of_request(const ErrorData *error)
{
	const char *sqlstate = unpack_sql_state(error->sqlerrcode);
	const Fault *decides = NULL;

	for (int i = 0; i < lengthof(faults); i++)
	{
		size_t length = strlen(faults[i].prefix);

		if (strncmp(sqlstate, faults[i].prefix, length) == 0 &&
		    (decides == NULL || length > strlen(decides->prefix)))
			decides = &faults[i];
	}
	return (decides == NULL || decides->is_of_request) && !is_broken_table(error);
}

WalletCode
outcome_of_error(const ErrorData *error)
{
	WalletCode code = code_of_sqlstate(unpack_sql_state(error->sqlerrcode));

	return code == CODE_OK ? CODE_INTERNAL_ERROR : code;
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
