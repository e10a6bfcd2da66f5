/*
 * kinds.h
 *		Every kind of request, in one table.
 *
 * The payload reader, the fingerprint of an idempotency key, the handshake, the SQL table
 * wallet.kind, the HTTP routes, docs/kinds.md and the request schemas of shim/openapi.json come
 * from this table.  docs/kinds.pl and docs/openapi.pl read this file line by line: a kind and a
 * member stand on one line each.
 *
 * This file is plain C: the extension and the HTTP shim both include it.  The shim alone reads the
 * columns path, scope and shape.
 *
 * The columns of a kind:
 *	symbol		the C name
 *	number		what tables store and what handshakes seal.  It never changes and is never given to
 *				another kind, also not when its kind is gone.
 *	name		the word that callers write and read; it never changes once released
 *	path		where HTTP takes a POST of this kind; NULL where HTTP takes none
 *	scope		what the API key of a POST must have: one of these
 *	shape		the members of the answer
 *	transfers	how many transfers one request of this kind makes at the most
 *	members		the list of the members of its payload
 *	rule		of X: the function rule_X carries it out (rules.c)
 *	uses		where it may stand: USE_REQUEST by itself, USE_LEG in a group, USE_JOURNAL in rows
 *				that nobody asks for
 *	meaning		what a request of this kind asks for, in the words of docs/kinds.md
 *
 * The columns of a member:
 *	name		as the payload spells it; it never changes once released
 *	type		one of MemberType
 *	required	whether a payload without the member is refused; queue/payload.c knows what may
 *				take its place: a split for dest_wallet_id, the mode all for an amount
 *	field		where the value is kept in an Operation (operation.h)
 *	meaning		in the words of docs/kinds.md and shim/openapi.json; without a quotation mark
 */
#ifndef PG_WALLET_KINDS_H
#define PG_WALLET_KINDS_H

#include <stdbool.h>
#include <stddef.h>

/* A group has at most so many legs; the shares of a split count as legs. */
#define LEGS_MAX 64

/* clang-format off */
#define WALLET_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "Who gets the wallet.") \
	M("amount", TYPE_AMOUNT_OR_ZERO, false, amount, "What the wallet begins with, recorded as a deposit; 0 where there is none.") \
	M("currency", TYPE_CURRENCY, false, currency, "The code of ISO 4217, in any case, or one that the owner has added to the table wallet.currency; usd where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define TRANSACTION_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who pays: the owner of the source wallet.") \
	M("source_wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that loses the money.") \
	M("dest_wallet_id", TYPE_ID, true, destination_wallet_id, "The wallet that gains the money; not the source wallet.") \
	M("trans_sum", TYPE_AMOUNT, true, amount, "How much.") \
	M("amount_mode", TYPE_AMOUNT_MODE, false, amount_mode, "exact, up_to (what is available, up to the amount) or all (takes no amount); exact where there is none.") \
	M("split", TYPE_SPLIT, false, parts, "In a leg, instead of dest_wallet_id: the shares of several wallets, each with one of amount, parts_per_million and rest.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define DEPOSIT_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, destination_wallet_id, "The wallet that gains the money.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define WITHDRAWAL_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that loses the money.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much.") \
	M("amount_mode", TYPE_AMOUNT_MODE, false, amount_mode, "exact, up_to (what is available, up to the amount) or all (takes no amount); exact where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define WALLET_READ_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that is read.")

#define FEE_MEMBERS(M) \
	M("source_wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that pays the fee.") \
	M("dest_wallet_id", TYPE_ID, true, destination_wallet_id, "The wallet that gains the fee; not the source wallet.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much.") \
	M("amount_mode", TYPE_AMOUNT_MODE, false, amount_mode, "exact, up_to (what is available, up to the amount) or all (takes no amount); exact where there is none.")

#define HOLD_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who pays: the owner of the source wallet.") \
	M("source_wallet_id", TYPE_ID, true, source_wallet_id, "The wallet on which the money is reserved.") \
	M("dest_wallet_id", TYPE_ID, false, destination_wallet_id, "The wallet that may capture the money; the outside where there is none.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much is reserved.") \
	M("max_capture", TYPE_AMOUNT, false, max_capture, "How much may be captured in all, when there is more; the amount where there is none.") \
	M("expires_in", TYPE_INTERVAL, false, expires_in, "When the hold ends, counted from its posting: seconds, or an interval such as 2 days.") \
	M("expires_at", TYPE_TIME, false, expires_at, "When the hold ends; infinity: never.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define CAPTURE_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who is paid: the owner of the destination wallet.") \
	M("hold_id", TYPE_ID, false, link_id, "The hold, by the id of the transfer that made it.") \
	M("hold_handshake_id", TYPE_HANDSHAKE, false, hold_handshake, "Instead of hold_id: the handshake of the request that makes the hold.") \
	M("amount", TYPE_AMOUNT, false, amount, "How much; the rest of the hold where there is none.") \
	M("final", TYPE_NEGATED_FLAG, false, keeps_rest, "false keeps what is left reserved for further captures; true where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define VOID_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who was to be paid: the owner of the destination wallet.") \
	M("hold_id", TYPE_ID, false, link_id, "The hold, by the id of the transfer that made it.") \
	M("hold_handshake_id", TYPE_HANDSHAKE, false, hold_handshake, "Instead of hold_id: the handshake of the request that makes the hold.") \
	M("amount", TYPE_AMOUNT, false, amount, "How much is released; the rest of the hold where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define HOLD_EXTEND_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who pays: the owner of the source wallet.") \
	M("hold_id", TYPE_ID, false, link_id, "The hold, by the id of the transfer that made it.") \
	M("hold_handshake_id", TYPE_HANDSHAKE, false, hold_handshake, "Instead of hold_id: the handshake of the request that makes the hold.") \
	M("amount", TYPE_AMOUNT, false, amount, "The new total of the hold: what was captured and what is reserved.") \
	M("expires_in", TYPE_INTERVAL, false, expires_in, "When the hold ends, counted from now: seconds, or an interval such as 2 days.") \
	M("expires_at", TYPE_TIME, false, expires_at, "When the hold ends; infinity: never.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define REVERSAL_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who gives back: the owner of the destination wallet.") \
	M("transfer_id", TYPE_ID, true, link_id, "The transfer that is reversed.") \
	M("amount", TYPE_AMOUNT, false, amount, "How much; what is left to reverse where there is none.") \
	M("shortfall", TYPE_SHORTFALL, false, shortfall, "When the money has been spent: refuse, available (what there is) or overdraw (an operator's); refuse where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define GROUP_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who asks for all of the legs.") \
	M("legs", TYPE_LEGS, true, parts, "1 to 64 objects, each with a kind and the members of that kind, without user_id and valid_until.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

#define GROUP_REVERSAL_MEMBERS(M) \
	M("user_id", TYPE_USER, true, user_id, "Who gives back: the owner of the destination wallets.") \
	M("group_id", TYPE_ID, true, link_id, "The group that is reversed.") \
	M("keep_fees", TYPE_FLAG, false, keep_fees, "true leaves the rows of kind fee as they are; false where there is none.") \
	M("valid_until", TYPE_DEADLINE, false, valid_until, "A request that is reached later is refused.")

/* A kind of the journal's alone has no payload; a list without a member would be no C. */
#define NO_MEMBERS(M) \
	M("user_id", TYPE_USER, false, user_id, "Nobody asks.")

#define WALLET_KINDS(X) \
	X(KIND_WALLET, 1, "wallet", "/api/v1/wallet", SCOPE_DEPOSIT, SHAPE_WALLET, 1, WALLET_MEMBERS, wallet, USE_REQUEST, "Makes a wallet for a user.") \
	X(KIND_TRANSACTION, 2, "transaction", "/api/v1/transaction", SCOPE_TRANSFER, SHAPE_TRANSACTION, 1, TRANSACTION_MEMBERS, transaction, USE_REQUEST | USE_LEG, "Moves money from one wallet to another.") \
	X(KIND_DEPOSIT, 3, "deposit", "/api/v1/deposit", SCOPE_DEPOSIT, SHAPE_TRANSACTION, 1, DEPOSIT_MEMBERS, deposit, USE_REQUEST | USE_LEG, "Moves money from the outside into a wallet.") \
	X(KIND_WITHDRAWAL, 4, "withdrawal", "/api/v1/withdrawal", SCOPE_TRANSFER, SHAPE_TRANSACTION, 1, WITHDRAWAL_MEMBERS, withdrawal, USE_REQUEST | USE_LEG, "Moves money from a wallet to the outside.") \
	X(KIND_WALLET_READ, 5, "wallet_read", NULL, SCOPE_READ, SHAPE_WALLET, 0, WALLET_READ_MEMBERS, wallet_read, USE_REQUEST, "Reads a wallet after every request that was queued before.") \
	X(KIND_FEE, 6, "fee", NULL, SCOPE_TRANSFER, SHAPE_OPERATION, 1, FEE_MEMBERS, transaction, USE_LEG, "Moves a fee from one wallet to another, as a leg of a group.") \
	X(KIND_HOLD, 7, "hold", "/api/v1/hold", SCOPE_TRANSFER, SHAPE_OPERATION, 1, HOLD_MEMBERS, hold, USE_REQUEST | USE_LEG, "Reserves money on a wallet for one payee.") \
	X(KIND_CAPTURE, 8, "capture", "/api/v1/capture", SCOPE_CAPTURE, SHAPE_OPERATION, 1, CAPTURE_MEMBERS, capture, USE_REQUEST | USE_LEG, "Moves money that a hold has reserved, and releases what is left.") \
	X(KIND_VOID, 9, "void", "/api/v1/void", SCOPE_TRANSFER | SCOPE_CAPTURE, SHAPE_OPERATION, 1, VOID_MEMBERS, void, USE_REQUEST | USE_LEG, "Releases money that a hold has reserved.") \
	X(KIND_HOLD_EXTEND, 10, "hold_extend", "/api/v1/hold_extend", SCOPE_TRANSFER, SHAPE_OPERATION, 1, HOLD_EXTEND_MEMBERS, hold_extend, USE_REQUEST | USE_LEG, "Reserves more on a hold, or moves its end later.") \
	X(KIND_EXPIRY, 11, "expiry", NULL, SCOPE_OPERATOR, SHAPE_OPERATION, 1, NO_MEMBERS, none, USE_JOURNAL, "Releases what a hold has reserved when its time is over.") \
	X(KIND_REVERSAL, 12, "reversal", "/api/v1/reversal", SCOPE_TRANSFER | SCOPE_REVERSE, SHAPE_OPERATION, 1, REVERSAL_MEMBERS, reversal, USE_REQUEST | USE_LEG, "Moves money of a transfer back.") \
	X(KIND_GROUP, 13, "group", "/api/v1/group", SCOPE_TRANSFER, SHAPE_GROUP, LEGS_MAX, GROUP_MEMBERS, group, USE_REQUEST, "Carries out several operations, all or none.") \
	X(KIND_SWEEP, 14, "sweep", NULL, SCOPE_OPERATOR, SHAPE_OPERATION, 1, NO_MEMBERS, none, USE_JOURNAL, "Moves what a wallet holds to another one when it is closed.") \
	X(KIND_GROUP_REVERSAL, 15, "group_reversal", "/api/v1/group_reversal", SCOPE_TRANSFER | SCOPE_REVERSE, SHAPE_GROUP, LEGS_MAX, GROUP_REVERSAL_MEMBERS, group_reversal, USE_REQUEST, "Moves back the money of all that is left of a group.")
/* clang-format on */

/* The values are the fixed numbers.  0 is no kind. */
typedef enum RequestKind
{
#define KIND_SYMBOL(symbol, number, ...) symbol = number,
	WALLET_KINDS(KIND_SYMBOL)
#undef KIND_SYMBOL
} RequestKind;

/* How many kinds there are. */
enum
{
#define KIND_ONE(...) +1
	KIND_COUNT = WALLET_KINDS(KIND_ONE)
#undef KIND_ONE
};

/*
 * Bounds that the lists above decide: the size of a union is that of its largest member.  An array
 * that is indexed by a kind's number has KIND_END elements.  No kind has more than
 * KIND_MEMBERS_MAX members, and no request makes more than KIND_TRANSFERS_MAX transfers.
 */
#define KIND_END sizeof(union KindNumbers)
#define KIND_MEMBERS_MAX sizeof(union KindMembers)
#define KIND_TRANSFERS_MAX sizeof(union KindTransfers)

union KindNumbers
{
#define KIND_BOUND(symbol, number, ...) char of_##symbol[(number) > 0 ? (number) + 1 : -1];
	WALLET_KINDS(KIND_BOUND)
#undef KIND_BOUND
};

union KindMembers
{
#define KIND_ONE(...) +1
#define KIND_BOUND(symbol, number, name, path, scope, shape, transfers, members, ...)              \
	char of_##symbol[members(KIND_ONE)];
	WALLET_KINDS(KIND_BOUND)
#undef KIND_BOUND
#undef KIND_ONE
};

union KindTransfers
{
	char at_least_one;
#define KIND_BOUND(symbol, number, name, path, scope, shape, transfers, ...)                       \
	char of_##symbol[(transfers) > 0 ? (transfers) : 1];
	WALLET_KINDS(KIND_BOUND)
#undef KIND_BOUND
};

/* Tables store a number as smallint. */
_Static_assert(KIND_END <= 32768, "a kind's number must fit into a smallint");

/* Where a kind may stand. */
typedef enum KindUse
{
	USE_REQUEST = 1,
	USE_LEG = 2,
	USE_JOURNAL = 4,
} KindUse;

typedef enum MemberType
{
	TYPE_ID,             /* a whole number from 1 on */
	TYPE_USER,           /* who asks: an id; a leg has none, and an operator may leave it out */
	TYPE_AMOUNT,         /* greater than zero */
	TYPE_AMOUNT_OR_ZERO, /* 0 where the payload has none */
	TYPE_CURRENCY,       /* three letters; usd where the payload has none */
	TYPE_TIME,           /* a moment, or infinity */
	TYPE_DEADLINE,       /* a moment; a leg has none, and it is no part of the fingerprint */
	TYPE_INTERVAL,       /* seconds, or text that is an interval */
	TYPE_FLAG,           /* false where the payload has none */
	TYPE_NEGATED_FLAG,   /* true where the payload has none; the field has the opposite */
	TYPE_AMOUNT_MODE,    /* exact, up_to or all */
	TYPE_SHORTFALL,      /* refuse, available or overdraw */
	TYPE_HANDSHAKE,      /* 64 hexadecimal digits; a leg has none */
	TYPE_LEGS,           /* an array of objects */
	TYPE_SPLIT,          /* an array of objects, in a leg alone */
	TYPE_COUNT
} MemberType;

#endif /* PG_WALLET_KINDS_H */
