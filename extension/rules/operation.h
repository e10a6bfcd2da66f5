/*
 * operation.h
 *		What the rules speak of: operations, wallets, transfers and outcomes.
 *
 * rules/ is plain C.  It knows neither tables nor memory contexts, so that the rules are read,
 * tested and fuzzed without a server.  All amounts in a Wallet or a Transfer are minor units:
 * signed 64-bit whole numbers of the currency's smallest unit (ISO 4217).  All times are
 * microseconds, as in PostgreSQL's TimestampTz.
 */
#ifndef PG_WALLET_OPERATION_H
#define PG_WALLET_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/codes.h"
#include "rules/kinds.h"
#include "rules/number.h"

/* The names are in status_names, in the order of the SQL type wallet.status. */
typedef enum WalletStatus
{
	STATUS_ACTIVE,
	STATUS_FROZEN,
	STATUS_CLOSED,
	STATUS_COUNT
} WalletStatus;

extern const char *const status_names[STATUS_COUNT];

/* Sets the status that has this name; false where there is none. */
extern bool status_from_name(const char *name, WalletStatus *status);

typedef struct Currency
{
	char code[4];
	int minor_digits;
	int64_t outside_wallet_id; /* negative: the wallet that stands for the outside world */
} Currency;

/* What an operation has changed of a wallet; or-ed together. */
typedef enum WalletChange
{
	CHANGE_MONEY = 1,  /* balance and last_transfer_id */
	CHANGE_STATUS = 2, /* status */
} WalletChange;

typedef struct Wallet
{
	int64_t wallet_id; /* negative for the outside, whose balance is never stored */
	int64_t user_id;
	int64_t balance;
	int64_t last_transfer_id; /* 0 before the first */
	int64_t created_at;
	int64_t updated_at;
	Currency currency;
	WalletStatus status;
	int changes;  /* WalletChange: what the table does not have yet */
	uint64_t row; /* where the table's row was found, or 0; the rules ignore it */
} Wallet;

/* One thing that somebody asks for. */
typedef struct Operation
{
	int64_t request_id; /* 0 for a direct call, which has no request */
	RequestKind kind;
	int64_t user_id; /* who asks; 0 for a direct call, which needs no owner */
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	Amount amount;
	char currency[4]; /* of a new wallet; "" otherwise */
} Operation;

/* What somebody asks for through the queue is one operation. */
typedef Operation Request;

/* One movement of money, as the journal keeps it. */
typedef struct Transfer
{
	int64_t transfer_id;
	int64_t request_id;
	RequestKind kind;
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	int64_t amount;
	int64_t source_balance; /* after this transfer; without meaning for the outside */
	int64_t destination_balance;
	int64_t source_previous; /* that wallet's transfer before this one, 0 for the first */
	int64_t destination_previous;
	int64_t posted_at;
} Transfer;

/* How a request ended that was refused, or that has more to say than a transfer does. */
typedef struct Outcome
{
	int64_t request_id;
	WalletCode code;
	bool sees_changes; /* a read of a wallet that an operation before it has changed */
	int64_t wallet_id; /* 0 for none */
	int64_t balance;   /* what a read saw */
	int64_t updated_at;
	WalletStatus status;
} Outcome;

/* What the table of kinds says of operations. */
typedef struct KindMember
{
	const char *name;
	MemberType type;
	bool required;
	size_t offset; /* of the value in an Operation */
} KindMember;

typedef struct KindInfo
{
	const char *name; /* NULL: no kind has this number */
	const KindMember *members;
	int member_count;
	bool has_amount; /* one of the members is an amount */
	int transfers_max;
} KindInfo;

/* Indexed by a kind's number. */
extern const KindInfo kind_infos[KIND_END];

/* The numbers of all kinds, in the order of the table. */
extern const RequestKind all_kinds[KIND_COUNT];

/* Whether this build knows a kind of this number. */
extern bool kind_is_known(int number);

/* The name of a known kind; NULL of any other number. */
extern const char *kind_name(int number);

/* Sets the kind that has this name; false where there is none. */
extern bool kind_from_name(const char *name, RequestKind *kind);

/* The checks that the operation alone allows; enqueue makes them early, the rules make them too. */
extern WalletCode operation_check(const Operation *operation);

/*
 * Fills keys with what the operation touches, each once, and returns how many: a wallet by its id,
 * a user who wants a wallet by -user_id.  With a wallet that it makes, an operation touches
 * OPERATION_KEYS_MAX at the most.
 */
#define OPERATION_KEYS_MAX 2
extern int operation_keys(const Operation *operation, int64_t *keys);

#endif /* PG_WALLET_OPERATION_H */
