/*
 * items.h
 *		The items of a call that enqueues: each is read and judged alone, before anything is stored.
 */
#ifndef PG_WALLET_ITEMS_H
#define PG_WALLET_ITEMS_H

#include "base/version.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

#include "rules/operation.h"
#include "tables/idempotency.h"

/* What an asker may; or-ed together.  The numbers are those of wallet_enqueue_utf8(). */
typedef enum AskerRight
{
	RIGHT_FOR_ALL = 1, /* speaks for all users: user_id may be missing */
	RIGHT_REVERSE = 2, /* may reverse anybody's transfers */
} AskerRight;

typedef struct EnqueueItem
{
	Request request;
	WalletCode code;        /* CODE_OK, or why it is refused */
	StringInfoData message; /* of a refusal; without data where there is none */
	const char *key;        /* NULL without one */
	WalletCode key_code;    /* CODE_OK, or what is wrong with it */
	bool is_late;           /* refused unless its key shows that it was asked in time */
	bool lacks_currency;    /* the currency is not known: refused unless its key is */
	int64 drawn_id;         /* of a new request; 0 before */
	IdempotentCall call;
	text *handshake;
} EnqueueItem;

/* Refuse the item in the code's own words, with the name of the member where it is an amount. */
extern void item_refuse(EnqueueItem *item, WalletCode code);

/*
 * Refuse the item when its time has passed, the end of a hold or valid_until, or when nobody knows
 * its currency.  A repeated key gives the first result whatever has become of the request since, so
 * this is for requests that are not known.
 */
extern void item_judge_new(EnqueueItem *item, TimestampTz now);

/*
 * All of these run inside SPI_connect, and keep what is wrong in the item.  item_read() reads the
 * one request of wallet_enqueue(), whose key is set already.
 */
extern void item_read(EnqueueItem *item, const char *kind_name, const text *payload);

/* Reads the arrays that are the arguments of wallet_enqueue_many() or wallet_enqueue_utf8(). */
extern EnqueueItem *items_read(FunctionCallInfo fcinfo, bool is_utf8, int *count);

#endif /* PG_WALLET_ITEMS_H */
