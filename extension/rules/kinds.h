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
 *	scope		what the API key of a POST must have
 *	shape		the members of the answer
 *	transfers	how many transfers one request of this kind makes at the most
 *	members		the list of the members of its payload
 *	rule		of X: the function rule_X carries it out (rules.c)
 *	meaning		what a request of this kind asks for, in the words of docs/kinds.md
 *
 * The columns of a member:
 *	name		as the payload spells it; it never changes once released
 *	type		one of MemberType
 *	required	whether a payload without the member is refused
 *	field		where the value is kept in an Operation (operation.h)
 *	meaning		in the words of docs/kinds.md and shim/openapi.json; without a quotation mark
 */
#ifndef PG_WALLET_KINDS_H
#define PG_WALLET_KINDS_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
#define WALLET_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "Who gets the wallet.") \
	M("amount", TYPE_AMOUNT_OR_ZERO, false, amount, "What the wallet begins with, recorded as a deposit; 0 where there is none.") \
	M("currency", TYPE_CURRENCY, false, currency, "The code of ISO 4217, in any case, or one that the owner has added to the table wallet.currency; usd where there is none.")

#define TRANSACTION_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "Who pays: the owner of the source wallet.") \
	M("source_wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that loses the money.") \
	M("dest_wallet_id", TYPE_ID, true, destination_wallet_id, "The wallet that gains the money; not the source wallet.") \
	M("trans_sum", TYPE_AMOUNT, true, amount, "How much.")

#define DEPOSIT_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, destination_wallet_id, "The wallet that gains the money.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much.")

#define WITHDRAWAL_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that loses the money.") \
	M("amount", TYPE_AMOUNT, true, amount, "How much.")

#define WALLET_READ_MEMBERS(M) \
	M("user_id", TYPE_ID, true, user_id, "The owner of the wallet.") \
	M("wallet_id", TYPE_ID, true, source_wallet_id, "The wallet that is read.")

#define WALLET_KINDS(X) \
	X(KIND_WALLET, 1, "wallet", "/api/v1/wallet", SCOPE_DEPOSIT, SHAPE_WALLET, 1, WALLET_MEMBERS, wallet, "Makes a wallet for a user.") \
	X(KIND_TRANSACTION, 2, "transaction", "/api/v1/transaction", SCOPE_TRANSFER, SHAPE_TRANSACTION, 1, TRANSACTION_MEMBERS, transaction, "Moves money from one wallet to another.") \
	X(KIND_DEPOSIT, 3, "deposit", "/api/v1/deposit", SCOPE_DEPOSIT, SHAPE_TRANSACTION, 1, DEPOSIT_MEMBERS, deposit, "Moves money from the outside into a wallet.") \
	X(KIND_WITHDRAWAL, 4, "withdrawal", "/api/v1/withdrawal", SCOPE_TRANSFER, SHAPE_TRANSACTION, 1, WITHDRAWAL_MEMBERS, withdrawal, "Moves money from a wallet to the outside.") \
	X(KIND_WALLET_READ, 5, "wallet_read", NULL, SCOPE_READ, SHAPE_WALLET, 0, WALLET_READ_MEMBERS, wallet_read, "Reads a wallet after every request that was queued before.")
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

typedef enum MemberType
{
	TYPE_ID,             /* a whole number from 1 on */
	TYPE_AMOUNT,         /* greater than zero */
	TYPE_AMOUNT_OR_ZERO, /* 0 where the payload has none */
	TYPE_CURRENCY,       /* three letters; usd where the payload has none */
	TYPE_COUNT
} MemberType;

#endif /* PG_WALLET_KINDS_H */
