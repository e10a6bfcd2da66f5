/*
 * codes.h
 *		Every way in which a request can end, in one table.
 *
 * The SQL errors, the outcomes in the queue, the answers over HTTP and the
 * table in docs/codes.md all come from here.  The order of the rows is the order
 * in which the rules are checked: a request that breaks two rules is refused
 * with the code that stands first.  (An amount that no currency could hold is
 * refused while it is read, before any rule.)
 *
 * This file is plain C: the extension and the HTTP shim both include it, and
 * the shim alone reads the column http_status.
 *
 * The columns:
 *	symbol		the C name
 *	name		the stable word that users see; it never changes once released
 *	sqlstate	of the error that a direct SQL call raises; the class PW is ours
 *	transient	1 when the same request, sent again, may well succeed
 *	http_status of the answer, when the request is refused before it is queued
 *	message		what went wrong: lower case, no full stop
 *	hint		what to do about it: a full sentence, or "" where there is nothing to add
 */
#ifndef PG_WALLET_CODES_H
#define PG_WALLET_CODES_H

#include <string.h>

/* clang-format off */
#define WALLET_CODES(X) \
	X(CODE_OK, "processed", "00000", 0, 200, "transaction was successful", "") \
	/* the payload, read before anything is stored */ \
	X(CODE_INVALID_JSON, "invalid_json", "PW101", 0, 400, "the payload is not valid JSON", "Send one JSON text, encoded in UTF-8.") \
	X(CODE_NOT_AN_OBJECT, "not_an_object", "PW102", 0, 422, "the payload is not a JSON object", "Send one JSON object with the members that the documentation lists.") \
	X(CODE_NOT_AN_ARRAY, "not_an_array", "PW112", 0, 422, "the payload is not a JSON array", "Send one JSON array of the objects that the documentation lists.") \
	X(CODE_TOO_MANY_ITEMS, "too_many_items", "PW113", 0, 413, "the array has more than 8192 items", "Send the items in several requests.") \
	X(CODE_UNKNOWN_KIND, "unknown_kind", "PW103", 0, 422, "unknown kind of request", "The table wallet.kind lists the kinds.") \
	X(CODE_UNKNOWN_MEMBER, "unknown_member", "PW104", 0, 422, "the payload has a member that is not known", "Remove the member, or correct its name.") \
	X(CODE_DUPLICATE_MEMBER, "duplicate_member", "PW105", 0, 422, "the payload has a member twice", "Send each member once.") \
	X(CODE_MISSING_MEMBER, "missing_member", "PW106", 0, 422, "the payload lacks a member", "") \
	X(CODE_WRONG_TYPE, "wrong_type", "PW107", 0, 422, "a member has the wrong type", "") \
	X(CODE_ID_OUT_OF_RANGE, "id_out_of_range", "PW108", 0, 422, "an id must be a whole number from 1 to 9223372036854775807", "") \
	X(CODE_INVALID_AMOUNT, "invalid_amount", "PW109", 0, 422, "an amount must be a plain decimal number", "Write it as in 777.88, without an exponent, a plus sign or leading zeros.") \
	X(CODE_INVALID_IDEMPOTENCY_KEY, "invalid_idempotency_key", "PW110", 0, 422, "an idempotency key must have 1 to 255 characters", "") \
	X(CODE_UNTRANSLATABLE_CHARACTER, "untranslatable_character", "PW114", 0, 422, "the text has a character that the encoding of the database lacks", "Use characters that the encoding of the database has: the letters and digits of ASCII are in each.") \
	X(CODE_INVALID_HANDSHAKE, "invalid_handshake", "PW111", 0, 422, "a handshake must have 64 hexadecimal digits", "") \
	X(CODE_INVALID_LEGS, "invalid_legs", "PW115", 0, 422, "a group must have 1 to 64 legs", "A leg is an object with a kind that may stand in a group; the shares of a split count as legs.") \
	X(CODE_INVALID_SPLIT, "invalid_split", "PW116", 0, 422, "the shares of the split do not fit together", "Give each share one of amount, parts_per_million and rest; with parts_per_million one share must be the rest.") \
	X(CODE_INVALID_AMOUNT_MODE, "invalid_amount_mode", "PW117", 0, 422, "the amount mode is unknown, or does not fit the amount", "The modes are exact, up_to and all; all takes no amount.") \
	X(CODE_INVALID_SHORTFALL, "invalid_shortfall", "PW118", 0, 422, "unknown way of a shortfall", "The ways are refuse, available and overdraw.") \
	X(CODE_INVALID_EXPIRY, "invalid_expiry", "PW119", 0, 422, "the end of a hold must lie in the future, and be given once", "Give either expires_in or expires_at.") \
	/* arguments of a call that moves no money, read before any wallet */ \
	X(CODE_UNKNOWN_STATUS, "unknown_status", "PW217", 0, 422, "unknown wallet status", "The statuses are active, frozen and closed.") \
	X(CODE_UNKNOWN_STATE, "unknown_state", "PW232", 0, 422, "unknown state of a hold", "The states are open, captured, voided and expired.") \
	X(CODE_INVALID_LIMIT, "invalid_limit", "PW305", 0, 422, "a page must have 1 to 1000 rows", "") \
	/* the rules of posting, in their order */ \
	X(CODE_AMOUNT_NOT_POSITIVE, "amount_not_positive", "PW201", 0, 422, "an amount must be greater than zero", "") \
	X(CODE_AMOUNT_NEGATIVE, "amount_negative", "PW202", 0, 422, "an initial amount must not be negative", "") \
	X(CODE_SAME_WALLET, "same_wallet", "PW203", 0, 422, "source and destination are the same wallet", "") \
	X(CODE_INVALID_MAX_CAPTURE, "invalid_max_capture", "PW120", 0, 422, "max_capture must not be less than the amount", "") \
	X(CODE_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", "PW301", 0, 422, "the idempotency key was used with another payload", "Use a new key for a new request.") \
	X(CODE_IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress", "PW306", 1, 409, "another transaction that has not ended yet uses the idempotency key", "Send the same request again later.") \
	X(CODE_REQUEST_EXPIRED, "request_expired", "PW310", 0, 409, "the request was reached after its valid_until", "Nothing was moved: send a new request.") \
	X(CODE_UNKNOWN_CURRENCY, "unknown_currency", "PW204", 0, 422, "the currency is not known", "The table wallet.currency lists the currencies.") \
	X(CODE_WALLET_EXISTS, "wallet_exists", "PW205", 0, 409, "the user has a wallet already", "A user has one wallet.") \
	X(CODE_WALLET_NOT_FOUND, "wallet_not_found", "PW206", 1, 404, "there is no such wallet", "") \
	X(CODE_SOURCE_NOT_FOUND, "source_wallet_not_found", "PW207", 1, 404, "there is no such source wallet", "") \
	X(CODE_DESTINATION_NOT_FOUND, "destination_wallet_not_found", "PW208", 1, 404, "there is no such destination wallet", "") \
	X(CODE_HOLD_NOT_FOUND, "hold_not_found", "PW219", 1, 404, "there is no such hold", "The id of a hold is the transfer_id of the row that made it.") \
	X(CODE_TRANSACTION_NOT_FOUND, "transaction_not_found", "PW303", 1, 404, "there is no such transaction of this user", "") \
	X(CODE_NOT_OWNER, "not_owner", "PW209", 0, 403, "the wallet does not belong to the user", "") \
	X(CODE_HOLD_CAPTURED, "hold_captured", "PW220", 0, 409, "the hold has been captured already", "") \
	X(CODE_HOLD_VOIDED, "hold_voided", "PW221", 0, 409, "the hold has been voided already", "") \
	X(CODE_HOLD_EXPIRED, "hold_expired", "PW222", 0, 409, "the hold has expired", "") \
	X(CODE_NOT_REVERSIBLE, "not_reversible", "PW223", 0, 409, "an operation of this kind cannot be reversed", "Void a hold that is open; a reversal is undone by a new transfer.") \
	X(CODE_ALREADY_REVERSED, "already_reversed", "PW224", 0, 409, "nothing of the transfer is left to reverse", "") \
	X(CODE_WALLET_CLOSED, "wallet_closed", "PW210", 0, 409, "the wallet is closed", "") \
	X(CODE_WALLET_FROZEN, "wallet_frozen", "PW211", 1, 409, "the wallet is frozen", "An operator can unfreeze it with wallet_set_status.") \
	X(CODE_CURRENCY_MISMATCH, "currency_mismatch", "PW212", 0, 409, "the wallets hold different currencies", "") \
	X(CODE_AMOUNT_PRECISION, "amount_precision", "PW213", 0, 422, "the amount has more decimals than the currency", "Amounts are never rounded: round the amount before it is sent.") \
	X(CODE_AMOUNT_TOO_LARGE, "amount_too_large", "PW214", 0, 422, "the amount does not fit into 64 bits of the smallest unit", "The largest amount is 9223372036854775807 of the currency's smallest unit.") \
	X(CODE_FLOOR_ABOVE_CEILING, "floor_above_ceiling", "PW225", 0, 422, "the floor is above the ceiling", "") \
	X(CODE_SPLIT_MISMATCH, "split_mismatch", "PW226", 0, 422, "the shares of the split do not add up to its amount", "") \
	X(CODE_EXCEEDS_HOLD, "exceeds_hold", "PW227", 0, 409, "the amount is more than the hold has left", "") \
	X(CODE_EXCEEDS_REVERSIBLE, "exceeds_reversible", "PW228", 0, 409, "the amount is more than is left to reverse", "") \
	X(CODE_BELOW_HOLD, "below_hold", "PW229", 0, 409, "an extension must raise the amount of the hold or move its end later, and lower neither", "To lower the amount, void a part of it.") \
	X(CODE_AMOUNT_ABOVE_LIMIT, "amount_above_limit", "PW230", 0, 403, "the amount is more than the asker may move at once", "") \
	X(CODE_INSUFFICIENT_FUNDS, "insufficient_funds", "PW215", 1, 409, "the source wallet does not hold enough money", "") \
	X(CODE_BALANCE_LIMIT, "balance_limit", "PW216", 1, 409, "the balance would leave what the wallet allows, or 64 bits", "") \
	X(CODE_WALLET_HAS_HOLDS, "wallet_has_holds", "PW231", 1, 409, "the wallet has open holds", "Capture or void them first.") \
	X(CODE_WALLET_NOT_EMPTY, "wallet_not_empty", "PW218", 1, 409, "the wallet still holds money", "A wallet can be closed only when its balance is zero.") \
	/* the queue */ \
	X(CODE_QUEUE_FULL, "queue_full", "PW308", 1, 503, "too many requests wait in the queue", "Nothing was stored: send the same request again later.") \
	X(CODE_REFUSED_BY_DATABASE, "refused_by_database", "PW309", 0, 422, "a constraint or a trigger of this database refuses the request", "The server's log has the cause.") \
	X(CODE_HANDSHAKE_UNKNOWN, "handshake_unknown", "PW302", 0, 404, "there is no such request of this user", "") \
	X(CODE_HANDSHAKE_EXPIRED, "handshake_expired", "PW307", 0, 410, "the request is older than requests are kept", "Money that it moved is in the wallet's history.") \
	X(CODE_INVALID_CURSOR, "invalid_cursor", "PW304", 0, 422, "the cursor is not an operation of this wallet", "Pass the transfer_id of the last row of the previous page.") \
	X(CODE_INTERNAL_ERROR, "internal_error", "PW901", 0, 500, "the request could not be carried out", "The server's log has the cause.") \
	X(CODE_MONEY_KEPT, "money_kept", "PW902", 0, 500, "cannot drop the extension pg_wallet: its journal holds transfers", "Set pg_wallet.allow_drop = on in this session to drop it with all its money.") \
	X(CODE_APPEND_ONLY, "append_only", "PW903", 0, 500, "cannot change or drop rows that are to be kept", "To undo a transfer, post another one in the opposite direction.") \
	/* what only HTTP can get wrong */ \
	X(CODE_BAD_REQUEST, "bad_request", "PW401", 0, 400, "the HTTP request is malformed", "") \
	X(CODE_ROUTE_NOT_FOUND, "not_found", "PW404", 0, 404, "there is nothing at this path", "The paths are listed in the documentation.") \
	X(CODE_METHOD_NOT_ALLOWED, "method_not_allowed", "PW405", 0, 405, "the method is not allowed at this path", "") \
	X(CODE_UNAUTHENTICATED, "unauthenticated", "PW402", 0, 401, "an API key is needed that is known, and neither revoked nor expired", "Send it in the header field Authorization: Bearer KEY.") \
	X(CODE_INSUFFICIENT_SCOPE, "insufficient_scope", "PW403", 0, 403, "the scopes of the API key do not allow this", "") \
	X(CODE_WRONG_USER, "wrong_user", "PW406", 0, 403, "the API key acts for one user alone, whom the request does not name", "") \
	X(CODE_FOREIGN_ORIGIN, "foreign_origin", "PW407", 0, 403, "the request may come from a foreign web page", "Without API keys the shim serves the programs of its machine alone: docs/security.md says how to let others in.") \
	X(CODE_RATE_LIMITED, "rate_limited", "PW429", 1, 429, "the API key has made more requests in a second than it may", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_REQUEST_TIMEOUT, "request_timeout", "PW408", 1, 408, "the request did not arrive in time", "") \
	X(CODE_BODY_TOO_LARGE, "body_too_large", "PW413", 0, 413, "the body is larger than this path takes", "") \
	X(CODE_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "PW415", 0, 415, "the body must be application/json", "") \
	X(CODE_DATABASE_UNAVAILABLE, "database_unavailable", "PW503", 1, 503, "the database cannot be reached", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_DATABASE_BUSY, "database_busy", "PW507", 1, 503, "the database did not answer in time", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_LOCK_TIMEOUT, "lock_timeout", "PW506", 1, 503, "another transaction in the database holds a lock that the request needs", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_TRANSACTION_CONFLICT, "transaction_conflict", "PW509", 1, 503, "the request met another transaction in the database", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_DATABASE_READ_ONLY, "database_read_only", "PW508", 1, 503, "the database takes no writes: it is a standby", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_STANDBY_UNAVAILABLE, "standby_unavailable", "PW513", 1, 503, "no synchronous standby confirms what is stored", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_INSUFFICIENT_RESOURCES, "insufficient_resources", "PW510", 1, 503, "the database is short of disk space, memory or another resource", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_SYSTEM_ERROR, "system_error", "PW511", 1, 503, "the database met an error of its disk or operating system", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_OVERLOADED, "overloaded", "PW504", 1, 503, "too many requests are waiting", "Send the same request again later, with the same Idempotency-Key.") \
	X(CODE_STOPPING, "stopping", "PW512", 1, 503, "this HTTP server is about to stop", "Send requests to another one: this one answers until it has stopped.") \
	X(CODE_WORKER_UNAVAILABLE, "worker_unavailable", "PW505", 1, 503, "the worker is not running", "Requests are stored, and carried out as soon as it runs again.")
/* clang-format on */

typedef enum WalletCode
{
#define WALLET_CODE_SYMBOL(symbol, name, sqlstate, transient, http_status, message, hint) symbol,
	WALLET_CODES(WALLET_CODE_SYMBOL) CODE_COUNT
#undef WALLET_CODE_SYMBOL
} WalletCode;

/* Of two rules that are broken, or not (CODE_OK), the one that stands first. */
static inline WalletCode
code_first(WalletCode code, WalletCode other)
{
	return code == CODE_OK || (other != CODE_OK && other < code) ? other : code;
}

typedef struct WalletCodeInfo
{
	const char *name;
	const char *sqlstate;
	int transient;
	int http_status;
	const char *message;
	const char *hint;
} WalletCodeInfo;

/* Indexed by WalletCode.  Each program defines it once, as WALLET_CODE_TABLE. */
extern const WalletCodeInfo wallet_codes[CODE_COUNT];

#define WALLET_CODE_ROW(symbol, name, sqlstate, transient, http_status, message, hint)             \
	{name, sqlstate, transient, http_status, message, hint},
#define WALLET_CODE_TABLE                                                                          \
	{                                                                                              \
		WALLET_CODES(WALLET_CODE_ROW)                                                              \
	}

/*
 * The code that has this SQLSTATE, whoever has raised it: a trigger of a user's may refuse a
 * request in our words.  CODE_OK when none has.
 */
static inline WalletCode
code_of_sqlstate(const char *sqlstate)
{
	for (int code = CODE_OK + 1; code < CODE_COUNT; code++)
	{
		if (strcmp(wallet_codes[code].sqlstate, sqlstate) == 0)
			return (WalletCode) code;
	}
	return CODE_OK;
}

/*
 * What an error means for the one request that met it, when it was to be stored: the code of its
 * SQLSTATE; else that of the first row that the SQLSTATE begins with, or CODE_INTERNAL_ERROR.
 */
static inline WalletCode
code_by_sqlstate(const char *sqlstate)
{
	static const struct
	{
		const char *start;
		WalletCode code;
	} rows[] = {
	    {"55P03", CODE_LOCK_TIMEOUT},        /* lock_not_available */
	    {"57014", CODE_DATABASE_BUSY},       /* query_canceled: by statement_timeout, or a person */
	    {"57P", CODE_DATABASE_UNAVAILABLE},  /* the server stops, or starts */
	    {"08", CODE_DATABASE_UNAVAILABLE},   /* connection exceptions */
	    {"25006", CODE_DATABASE_READ_ONLY},  /* read_only_sql_transaction */
	    {"40", CODE_TRANSACTION_CONFLICT},   /* deadlocks and serialization failures */
	    {"53", CODE_INSUFFICIENT_RESOURCES}, /* of disk, memory, connections */
	    {"58", CODE_SYSTEM_ERROR},           /* of the server's disk */
	    {"23", CODE_REFUSED_BY_DATABASE},    /* integrity constraints */
	    {"44", CODE_REFUSED_BY_DATABASE},    /* WITH CHECK OPTION */
	    {"P0001", CODE_REFUSED_BY_DATABASE}, /* RAISE EXCEPTION */
	};

	WalletCode code = code_of_sqlstate(sqlstate);

	if (code != CODE_OK)
		return code;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		if (strncmp(sqlstate, rows[i].start, strlen(rows[i].start)) == 0)
			return rows[i].code;
	}
	return CODE_INTERNAL_ERROR;
}

#endif /* PG_WALLET_CODES_H */
