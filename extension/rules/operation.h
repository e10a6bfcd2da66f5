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
	CHANGE_MONEY = 1,  /* balance, held and last_transfer_id */
	CHANGE_STATUS = 2, /* status */
	CHANGE_LIMITS = 4, /* floor and ceiling */
} WalletChange;

/* The ceiling of a wallet that has none. */
#define NO_CEILING INT64_MAX

typedef struct Wallet
{
	int64_t wallet_id; /* negative for the outside, whose balance is never stored */
	int64_t user_id;
	int64_t balance;
	int64_t held;             /* what its open holds reserve, the due ones among them */
	int64_t floor;            /* what must stay; negative: a credit line */
	int64_t ceiling;          /* what a credit may make of the balance at the most, or NO_CEILING */
	int64_t due;              /* of held: what its due holds reserve, which counts nowhere */
	bool lacks_due;           /* it has many due holds, which have not been read */
	int first_due;            /* the first due hold, as WorkingSet.holds counts from 1; 0: none */
	int64_t last_transfer_id; /* 0 before the first */
	int64_t created_at;
	int64_t updated_at;
	Currency currency;
	WalletStatus status;
	int changes;  /* WalletChange: what the table does not have yet */
	uint64_t row; /* where the table's row was found, or 0; the rules ignore it */
} Wallet;

/* The states of a hold.  Tables store the number. */
typedef enum HoldState
{
	HOLD_OPEN,
	HOLD_STATE_CAPTURED,
	HOLD_STATE_VOIDED,
	HOLD_STATE_EXPIRED,
	HOLD_STATE_COUNT
} HoldState;

extern const char *const hold_state_names[HOLD_STATE_COUNT];

/* expires_at of a hold without an end: PostgreSQL's infinity. */
#define NO_END INT64_MAX

/* Money that is reserved on a wallet; its total is captured + rest. */
typedef struct Hold
{
	int64_t hold_id; /* the transfer_id of the row that made it */
	int64_t source_wallet_id;
	int64_t destination_wallet_id; /* negative: towards the outside */
	int64_t rest;
	int64_t captured;
	int64_t max_capture; /* captured may grow up to it */
	int64_t expires_at;  /* from then on the hold is over; or NO_END */
	int64_t updated_at;
	HoldState state;
	bool is_changed; /* the table does not have it yet */
	bool is_made;    /* by an operation of this set */
	int next_due;    /* the next due hold of the source wallet, from 1; 0: none */
	uint64_t row;    /* where the table's row was found, or 0; the rules ignore it */
} Hold;

/* A transfer that somebody wants to reverse. */
typedef struct Original
{
	int64_t transfer_id;
	RequestKind kind;
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	int64_t amount;
	int64_t reversed; /* so far */
	bool is_changed;  /* the table does not have reversed yet */
	bool has_row;     /* the table has a row for it; the rules ignore it */
} Original;

/* How much an operation moves. */
typedef enum AmountMode
{
	MODE_EXACT,
	MODE_UP_TO, /* the amount, or what is available when that is less */
	MODE_ALL,   /* what is available of the wallet's own money; no amount is given */
	MODE_COUNT
} AmountMode;

extern const char *const amount_mode_names[MODE_COUNT];

/* What a reversal does when the money has been spent. */
typedef enum Shortfall
{
	SHORTFALL_REFUSE,
	SHORTFALL_AVAILABLE, /* moves what is available */
	SHORTFALL_OVERDRAW,  /* moves all; an operator's */
	SHORTFALL_COUNT
} Shortfall;

extern const char *const shortfall_names[SHORTFALL_COUNT];

#define HANDSHAKE_SIZE 32

/* The value of an amount that has not been given; AMOUNT_IS_GIVEN tells. */
#define AMOUNT_NONE ((Amount){0, -1})
#define AMOUNT_IS_GIVEN(amount) ((amount).scale >= 0)

/* The shares of a split that are parts have at most so many together. */
#define PARTS_PER_WHOLE 1000000

/* One destination of a split: exactly one of amount, parts_per_million and is_rest is given. */
typedef struct Share
{
	int64_t destination_wallet_id;
	Amount amount;             /* or AMOUNT_NONE */
	int64_t parts_per_million; /* 0: not given */
	bool is_rest;
	bool has_parts; /* parts_per_million is given */
} Share;

/*
 * One thing that somebody asks for.  A member that has not been given is zero, but for amounts
 * (AMOUNT_NONE).
 */
typedef struct Operation
{
	int64_t request_id; /* 0 for a direct call, which has no request */
	RequestKind kind;
	uint8_t amount_mode; /* AmountMode */
	uint8_t shortfall;   /* Shortfall */
	bool keeps_rest;     /* a capture releases nothing: final is false */
	bool keep_fees;
	bool may_reverse;   /* the asker may reverse anybody's transfers */
	bool has_handshake; /* hold_handshake is given in place of link_id */
	bool is_unresolved; /* that handshake's hold has not been looked for yet */
	bool is_broken;     /* nobody can read what was stored of the request */
	int64_t user_id;    /* who asks; 0: an operator, or a direct call, who may ask for all */
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	Amount amount;
	char currency[4]; /* of a new wallet; "" otherwise */
	int64_t link_id;  /* the hold, the transfer or the group that it is about; -1: there is none */
	Amount max_capture;
	int64_t expires_in;  /* microseconds */
	int64_t expires_at;  /* or NO_END */
	int64_t valid_until; /* compared with the clock */
	Amount max_amount;   /* the most that a row of the asker's may move; 0: no limit */
	struct Parts *parts; /* of a group, and of its legs with a split; NULL otherwise */
	int share_first;     /* the shares of a split in parts; share_count 0: no split */
	int share_count;
	unsigned char hold_handshake[HANDSHAKE_SIZE];
} Operation;

/* What somebody asks for through the queue is one operation. */
typedef Operation Request;

/*
 * The legs of a group, and the shares of their splits: one block of memory.  legs and shares point
 * into the block, and parts of each leg points to the block.
 */
typedef struct Parts
{
	size_t size; /* of the block */
	int leg_count;
	int share_count;
	Operation *legs;
	Share *shares;
} Parts;

/* Bytes of a block; and a block that has been given those, with its zeroed legs and shares. */
extern size_t parts_size(int leg_count, int share_count);
extern Parts *parts_init(void *block, int leg_count, int share_count);

/* Copies a block into memory of its size. */
extern Parts *parts_copy(void *block, const Parts *parts);

/* One row of the journal. */
typedef struct Transfer
{
	int64_t transfer_id;
	int64_t request_id; /* of the first row that a request makes; 0 otherwise */
	RequestKind kind;
	int64_t source_wallet_id;
	int64_t destination_wallet_id;
	int64_t amount;
	int64_t source_balance; /* after this transfer; without meaning for the outside */
	int64_t destination_balance;
	int64_t source_previous; /* that wallet's transfer before this one, 0 for the first */
	int64_t destination_previous;
	int64_t posted_at;
	int64_t held;        /* of the source, after this transfer */
	int64_t link_id;     /* the hold, or the transfer that is reversed; 0 for none */
	int64_t group_id;    /* the group's first row; 0 for none */
	int64_t expires_at;  /* of a hold or its extension */
	int64_t max_capture; /* of a hold or its extension */
	int group_size;      /* of the group's first row: how many rows; 0 otherwise */
	bool overdraw;       /* a reversal that has left the source less than it must keep */
} Transfer;

/* Does a row of this kind move money?  The others stand in the chain of the source alone. */
static inline bool
kind_moves_money(RequestKind kind)
{
	return kind != KIND_HOLD && kind != KIND_VOID && kind != KIND_HOLD_EXTEND &&
	       kind != KIND_EXPIRY;
}

/* Does an operation of this kind name a hold that there is already?  Its link_id does. */
static inline bool
kind_names_hold(RequestKind kind)
{
	return kind == KIND_CAPTURE || kind == KIND_VOID || kind == KIND_HOLD_EXTEND;
}

/* How a request ended that was refused, or that has more to say than a transfer does. */
typedef struct Outcome
{
	int64_t request_id;
	WalletCode code;
	int failed_leg;    /* of a group that was refused: from 1 on; 0 for none */
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
	bool has_mode;   /* ... an amount mode */
	bool has_expiry; /* ... an interval until the end of a hold */
	int transfers_max;
	int uses; /* KindUse, or-ed together */
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

/* What one member says by itself: only the sign of an amount can be wrong. */
extern WalletCode operation_check_member(const Operation *operation, const KindMember *member);

/* The same of the amount of a share, which may have none. */
extern WalletCode operation_check_share(const Share *share);

/*
 * The checks that the operation alone allows, and the moment, which the end of a hold must come
 * after.  A request is checked when it is queued and when it is carried out, a group with its
 * legs.
 */
extern WalletCode operation_check(const Operation *operation, int64_t moment);

/*
 * The first leg, from 0, for whose sake operation_check() refuses the group with this code; -1
 * where the operation is no group, or where the fault is no leg's.
 */
extern int operation_find_leg(const Operation *operation, int64_t moment, WalletCode code);

/* How many rows the operation makes at the most, without those of holds that have expired. */
extern int operation_transfers_max(const Operation *operation);

/*
 * Fills keys with what has to see the operation in its turn, each once, and returns how many: a
 * wallet by its id, a user who wants a wallet by -user_id.  A hold reads its destination, and
 * needs no turn there: it reads what no request changes, the status and the currency.  With a
 * wallet that it makes, an operation that is no group touches PLAIN_KEYS_MAX at the most, and a
 * group OPERATION_KEYS_MAX.  Of a row that is referred to (link_id), the wallets must be known:
 * posting/resolve.h.
 */
#define PLAIN_KEYS_MAX 2
#define OPERATION_KEYS_MAX (2 * LEGS_MAX)
extern int operation_keys(const Operation *operation, int64_t *keys);

/* Room for the keys of this operation, and more for some. */
static inline int
operation_keys_max(const Operation *operation)
{
	const Parts *parts = operation->parts;

	return parts == NULL ? PLAIN_KEYS_MAX : PLAIN_KEYS_MAX * parts->leg_count + parts->share_count;
}

/* Does the operation, which is no group, write the wallet that it names as its destination? */
extern bool operation_writes_destination(const Operation *operation);

#endif /* PG_WALLET_OPERATION_H */
