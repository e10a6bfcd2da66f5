/*
 * post.h
 *		The rules of posting, and nothing else: structs in, a code out.
 *
 * This header and post.c are plain C.  They know neither tables nor memory
 * contexts, so that the rules can be read, tested and fuzzed on their own.
 * All amounts in a Wallet or a Transfer are minor units: signed 64-bit whole
 * numbers of the currency's smallest unit (ISO 4217).
 */
#ifndef PG_WALLET_POST_H
#define PG_WALLET_POST_H

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

typedef struct Currency
{
	char code[4];
	int minor_digits;
	int64_t outside_wallet_id; /* negative: the wallet that stands for the outside world */
} Currency;

typedef struct Wallet
{
	int64_t wallet_id; /* negative for the outside, whose balance is never stored */
	int64_t user_id;
	int64_t balance;
	int64_t last_transfer_id; /* 0 before the first */
	int64_t created_at;       /* microseconds, PostgreSQL's TimestampTz */
	int64_t updated_at;
	Currency currency;
	WalletStatus status;
	uint64_t row; /* where the store has found it, or 0; of no meaning elsewhere */
} Wallet;

typedef struct Request
{
	int64_t request_id; /* 0 for a direct call, which has no request */
	RequestKind kind;
	int64_t user_id; /* who asks; 0 for a direct call, which needs no owner */
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	Amount amount;
	char currency[4]; /* of a new wallet; "" otherwise */
} Request;

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

extern const char *const status_names[STATUS_COUNT];

/* Sets the status that has this name; false where there is none. */
extern bool status_from_name(const char *name, WalletStatus *status);

/* The checks that need no table; enqueue makes them early, posting makes them again. */
extern WalletCode check_request(const Request *request);

/*
 * May this request move money between these wallets?  A wallet is NULL where there is none; for a
 * deposit or a withdrawal the other one is the outside.  On CODE_OK *amount has the minor units,
 * and post_transfer cannot fail.
 */
extern WalletCode check_transfer(const Request *request, const Wallet *source,
                                 const Wallet *destination, int64_t *amount);

/* May this user have a new wallet?  On CODE_OK *amount has the initial amount's minor units. */
extern WalletCode check_new_wallet(const Request *request, bool user_has_wallet,
                                   const Currency *currency, int64_t *amount);

/* May the user of this request read the wallet? */
extern WalletCode check_read(const Request *request, const Wallet *wallet);

/* May the wallet's status become this one? */
extern WalletCode check_status(const Wallet *wallet, WalletStatus status);

/*
 * Move the amount: change both wallets and fill the transfer.  Only after CODE_OK of the checks,
 * and with both wallets locked, so that the ids rise in the order in which the money moved.
 *
 * The transfer's moment is now, which is what the clock says, or the newest updated_at of the
 * wallets where that is later: somebody may have set the clock back.  So posted_at never goes back
 * along a wallet's chain.
 */
extern void post_transfer(const Request *request, int64_t transfer_id, int64_t amount, int64_t now,
                          Wallet *source, Wallet *destination, Transfer *transfer);

/* The moment in which the wallet is written: now, or its updated_at where that is later. */
extern int64_t moment_of_write(int64_t now, const Wallet *wallet);

/* The wallet that stands for the outside world in this currency. */
extern Wallet outside_wallet(const Currency *currency);

#endif /* PG_WALLET_POST_H */
