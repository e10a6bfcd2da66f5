/*
 * items.c
 *		The items of a call that enqueues: each is read and judged alone.
 *
 * Of what needs a wallet nothing is judged here, but the decimals of an amount.  A lock on a table
 * that another transaction holds is not waited for, since all requests of the call would wait.
 */
#include "queue/items.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/relations.h"
#include "base/statement.h"
#include "queue/payload.h"
#include "rules/codes.h"
#include "rules/number.h"
#include "tables/currencies.h"
#include "tables/wallets.h"

/* Most currencies have so many decimals; an amount with more is checked against its wallet. */
#define USUAL_MINOR_DIGITS 2

/* Items of one call. */
#define ITEMS_MAX 65536

/* What the items of a call have in common, and what the asker of the present one may. */
typedef struct Asker
{
	int encoding;
	TimestampTz now;
	bool asks_session; /* the rights are those of the session's role, and not arguments */
	bool has_rights;   /* rights are known */
	int rights;
	Amount max_amount; /* of the present item */
} Asker;

/* Whether this role is an operator's. */
static Statement find_right = {
    "SELECT wallet.speaks_for_all($1)",
    1,
    {OIDOID},
    NULL,
};

/* The rights of the asker.  Those of a session are asked for once a call, and only where needed. */
static int
find_rights(Asker *asker)
{
	bool is_null;

	if (asker->has_rights || !asker->asks_session)
		return asker->rights;
	statement_run(&find_right, (Datum[]){ObjectIdGetDatum(GetOuterUserId())}, NULL, true);
	if (SPI_processed == 1 &&
	    DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null)))
		asker->rights = RIGHT_FOR_ALL | RIGHT_REVERSE;
	asker->has_rights = true;
	return asker->rights;
}

void
item_refuse(EnqueueItem *item, WalletCode code)
{
	item->code = code;
	initStringInfo(&item->message);
	switch (code)
	{
		case CODE_AMOUNT_PRECISION:
			appendStringInfo(&item->message,
			                 "member \"%s\": ", payload_amount_member(item->request.kind));
			break;
		case CODE_UNKNOWN_CURRENCY:
			appendStringInfoString(&item->message, "member \"currency\": ");
			break;
		default:
			break;
	}
	appendStringInfoString(&item->message, wallet_codes[code].message);
}

/* Does the request say itself in which currency its amount is, as that of a new wallet does? */
static bool
names_currency(const Request *request)
{
	return request->currency[0] != '\0';
}

static int64
wallet_of_amount(const Request *request)
{
	return request->source_wallet_id > 0 ? request->source_wallet_id
	                                     : request->destination_wallet_id;
}

/* Is the amount compared with what its wallet's currency has? */
static bool
is_about_wallet(const Request *request)
{
	return !names_currency(request) && request->amount.scale > USUAL_MINOR_DIGITS &&
	       wallet_of_amount(request) > 0;
}

/* Can the tables with the request's currency be read at once? */
static bool
may_find_currency(const Request *request)
{
	if (!is_about_wallet(request))
		return relation_lock_at_once("currency");
	return relation_lock_at_once("wallet") && relation_lock_at_once("currency");
}

/* The currency that a request's amount is in, as far as it is known already. */
static bool
find_request_currency(const Request *request, Currency *currency)
{
	Wallet wallet;

	if (names_currency(request))
		return currency_find(request->currency, currency);
	if (!wallets_find(wallet_of_amount(request), &wallet))
		return false;
	*currency = wallet.currency;
	return true;
}

/*
 * Does the amount have more decimals than its currency?  Where that is not known yet, posting will
 * tell, as it does of an amount that is too large (LEDGER.md, section 1).
 */
static void
check_amount(EnqueueItem *item)
{
	const Request *request = &item->request;
	Currency currency;
	int64 amount;

	if ((!names_currency(request) && !is_about_wallet(request)) || !may_find_currency(request))
		return;
	if (!find_request_currency(request, &currency))
	{
		item->lacks_currency = names_currency(request);
		return;
	}
	if (amount_to_minor(request->amount, currency.minor_digits, &amount) != CODE_AMOUNT_PRECISION)
		return;
	item_refuse(item, CODE_AMOUNT_PRECISION);
	appendStringInfo(&item->message, ": %s has %d, not %d", currency.code, currency.minor_digits,
	                 request->amount.scale);
}

/*
 * Judges what the payload alone says.  When that is wrong only because the end of a hold has passed
 * meanwhile, a key may show that the request was asked in time.
 */
static void
check_payload(EnqueueItem *item, TimestampTz now)
{
	const Request *request = &item->request;

	item->is_late = request->valid_until != 0 && request->valid_until < now;
	if (operation_check(request, now) == CODE_OK)
		return;
	if (item->key != NULL && operation_check(request, 0) == CODE_OK)
	{
		item->is_late = true;
		return;
	}
	initStringInfo(&item->message);
	item->code = payload_check(request, now, &item->message);
}

void
item_judge_new(EnqueueItem *item, TimestampTz now)
{
	if (item->is_late)
	{
		initStringInfo(&item->message);
		item->code = payload_check(&item->request, now, &item->message);
		if (item->code == CODE_OK)
			item_refuse(item, CODE_REQUEST_EXPIRED);
	}
	else if (item->lacks_currency)
		item_refuse(item, CODE_UNKNOWN_CURRENCY);
}

/* What is wrong with the item's key; CODE_OK where nothing is, or where the item has none. */
static WalletCode
check_key(const EnqueueItem *item)
{
	if (item->key_code != CODE_OK)
		return item->key_code;
	return item->key == NULL || idempotency_key_is_valid(item->key) ? CODE_OK
	                                                                : CODE_INVALID_IDEMPOTENCY_KEY;
}

/*
 * What can be known about a request before its turn comes.  Posting checks all of this again: here
 * it only makes for an earlier answer.
 */
static void
check_item(EnqueueItem *item, TimestampTz now)
{
	WalletCode key_code = check_key(item);

	if (key_code != CODE_OK)
		item_refuse(item, key_code);
	else
		check_payload(item, now);
	if (item->code == CODE_OK && kind_infos[item->request.kind].has_amount)
		check_amount(item);
}

/* Reads the payload.  Who may leave out user_id is asked only where one has left it out. */
static WalletCode
parse_payload(Asker *asker, RequestKind kind, const char *payload, int length, Request *request,
              StringInfo message)
{
	WalletCode code =
	    payload_parse(kind, asker->encoding, payload, length, false, request, message);

	if (code != CODE_MISSING_MEMBER || request->user_id != 0 ||
	    !(find_rights(asker) & RIGHT_FOR_ALL))
		return code;
	resetStringInfo(message);
	return payload_parse(kind, asker->encoding, payload, length, true, request, message);
}

/* Keeps with the request what its asker may, as far as its kind has a use for that. */
static void
keep_rights(Asker *asker, Request *request)
{
	switch (request->kind)
	{
		case KIND_REVERSAL:
		case KIND_GROUP_REVERSAL:
		case KIND_GROUP:
			request->may_reverse = (find_rights(asker) & RIGHT_REVERSE) != 0;
			break;
		default:
			break;
	}
	if (request->kind != KIND_WALLET_READ)
		request->max_amount = asker->max_amount;
}

/* Payload and message are in the encoding; a message ends up in that of the database. */
static void
read_item(Asker *asker, EnqueueItem *item, const char *kind_name, const char *payload, int length)
{
	RequestKind kind;
	StringInfoData message;

	if (!kind_from_name(kind_name, &kind) || !(kind_infos[kind].uses & USE_REQUEST))
	{
		item_refuse(item, CODE_UNKNOWN_KIND);
		return;
	}
	initStringInfo(&message);
	item->code = parse_payload(asker, kind, payload, length, &item->request, &message);
	if (item->code == CODE_OK)
	{
		pfree(message.data);
		keep_rights(asker, &item->request);
		check_item(item, asker->now);
	}
	else if (payload_first_fault(item->code, check_key(item)) != item->code)
	{
		item_refuse(item, check_key(item));
	}
	else
	{
		item->message = message;
		if (asker->encoding != GetDatabaseEncoding())
			item->message.data = utf8_to_database_lossy(message.data, message.len);
	}
}

void
item_read(EnqueueItem *item, const char *kind_name, const text *payload)
{
	Asker asker = {GetDatabaseEncoding(), ledger_now(), .asks_session = true};

	read_item(&asker, item, kind_name, VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload));
}

static void
read_utf8_key(EnqueueItem *item, const bytea *bytes)
{
	const char *key = VARDATA_ANY(bytes);
	int length = VARSIZE_ANY_EXHDR(bytes);

	if (!utf8_is_valid(key, length))
	{
		item->key_code = CODE_INVALID_IDEMPOTENCY_KEY;
		return;
	}
	item->key = utf8_to_database(key, length);
	if (item->key == NULL)
		item->key_code = CODE_UNTRANSLATABLE_CHARACTER;
}

/* An array that is an argument; without elements where it is null. */
typedef struct Elements
{
	Datum *items;
	bool *nulls;
} Elements;

/* The argument must have this many elements, or any number when expected is -1. */
static Elements
array_elements(FunctionCallInfo fcinfo, int argument, const char *name, int expected, int *count)
{
	Elements elements = {NULL, NULL};
	ArrayType *array;
	int16 length;
	bool by_value;
	char alignment;
	int found;

	if (argument >= PG_NARGS() || PG_ARGISNULL(argument))
		return elements;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment, &elements.items,
	                  &elements.nulls, &found);
	if (expected >= 0 && found != expected)
		ereport(ERROR,
		        (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		         errmsg("array \"%s\" has %d elements instead of %d", name, found, expected)));
	if (count != NULL)
		*count = found;
	return elements;
}

static bool
has_element(const Elements *elements, int i)
{
	return elements->items != NULL && !elements->nulls[i];
}

static void
read_payload(Asker *asker, EnqueueItem *item, const char *kind_name, Datum payload)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(payload);
	const char *text = VARDATA_ANY(bytes);
	int length = VARSIZE_ANY_EXHDR(bytes);

	if (!asker->asks_session && !utf8_is_valid(text, length))
		item_refuse(item, CODE_INVALID_JSON);
	else
		read_item(asker, item, kind_name, text, length);
}

/* Reads what an item's asker may; false, and the item is refused, where that is no amount. */
static bool
read_rights(Asker *asker, EnqueueItem *item, const Elements *rights, const Elements *max_amounts,
            int i)
{
	const char *limit;

	if (asker->asks_session)
		return true;
	asker->rights = has_element(rights, i) ? DatumGetInt32(rights->items[i]) : 0;
	asker->max_amount = (Amount){0};
	if (!has_element(max_amounts, i))
		return true;
	limit = TextDatumGetCString(max_amounts->items[i]);
	if (amount_parse(limit, strlen(limit), &asker->max_amount) == CODE_OK &&
	    asker->max_amount.digits > 0)
		return true;
	item_refuse(item, CODE_INTERNAL_ERROR);
	return false;
}

EnqueueItem *
items_read(FunctionCallInfo fcinfo, bool is_utf8, int *count)
{
	Elements kinds = array_elements(fcinfo, 0, "kinds", -1, count);
	Elements payloads = array_elements(fcinfo, 1, "payloads", *count, NULL);
	Elements keys = array_elements(fcinfo, 2, "idempotency_keys", *count, NULL);
	Elements rights = array_elements(fcinfo, 3, "rights", *count, NULL);
	Elements max_amounts = array_elements(fcinfo, 4, "max_amounts", *count, NULL);
	Asker asker = {
	    .encoding = is_utf8 ? PG_UTF8 : GetDatabaseEncoding(),
	    .now = ledger_now(),
	    .asks_session = !is_utf8,
	};
	EnqueueItem *items;

	if (*count > ITEMS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("%d items in one call, more than %d", *count, ITEMS_MAX)));
	items = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(EnqueueItem) * Max(*count, 1),
	                                   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < *count; i++)
	{
		EnqueueItem *item = &items[i];

		CHECK_FOR_INTERRUPTS();
		if (has_element(&keys, i) && is_utf8)
			read_utf8_key(item, DatumGetByteaPP(keys.items[i]));
		else if (has_element(&keys, i))
			item->key = TextDatumGetCString(keys.items[i]);
		if (kinds.nulls[i])
			item_refuse(item, CODE_UNKNOWN_KIND);
		else if (payloads.nulls[i])
			item_refuse(item, CODE_NOT_AN_OBJECT);
		else if (read_rights(&asker, item, &rights, &max_amounts, i))
			read_payload(&asker, item, TextDatumGetCString(kinds.items[i]), payloads.items[i]);
	}
	return items;
}
