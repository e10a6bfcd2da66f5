/*
 * extra.h
 *		The members of a request that have no column, as bytes: the column extra of wallet.request.
 *
 * The bytes are a list of fields.  Each field is a tag of one byte and a value whose length follows
 * from the tag.  A field that says nothing is left out, so a plain transfer has no bytes at all.
 * The legs of a group are fields, too, and have fields of their own: those of EXTRA_FIELDS and
 * those that are columns of a request.
 *
 * This file and extra.c are plain C, so that they are tested and fuzzed without a server.
 */
#ifndef PG_WALLET_EXTRA_H
#define PG_WALLET_EXTRA_H

#include "rules/operation.h"

/*
 * The fields, X(tag, name, type, field).  A tag is stored: it never changes, and is never given to
 * another field.  The name is for people.  The types:
 *
 *	NUMBER		int64_t, left out when it is 0: a number of 1 to 10 bytes, small ones are short
 *	TIME		like NUMBER; people see a moment
 *	BYTE		uint8_t, left out when it is 0
 *	FLAG		bool, left out when it is false; there is no value
 *	AMOUNT		Amount, left out when it is 0 or not given: its scale and a number
 */
/* clang-format off */
#define EXTRA_FIELDS(X) \
	X(1, "link_id", NUMBER, link_id) \
	X(2, "amount_mode", BYTE, amount_mode) \
	X(3, "shortfall", BYTE, shortfall) \
	X(4, "keeps_rest", FLAG, keeps_rest) \
	X(5, "keep_fees", FLAG, keep_fees) \
	X(6, "may_reverse", FLAG, may_reverse) \
	X(7, "max_capture", AMOUNT, max_capture) \
	X(8, "expires_in", NUMBER, expires_in) \
	X(9, "expires_at", TIME, expires_at) \
	X(10, "valid_until", TIME, valid_until) \
	X(11, "max_amount", AMOUNT, max_amount)

/* What a request has columns for, and a leg has not. */
#define EXTRA_LEG_FIELDS(X) \
	X(32, "source_wallet_id", NUMBER, source_wallet_id) \
	X(33, "dest_wallet_id", NUMBER, destination_wallet_id) \
	X(34, "amount", AMOUNT, amount)
/* clang-format on */

/* Fields of other forms, which extra.c reads and writes by functions of their own. */
#define EXTRA_HANDSHAKE 64
#define EXTRA_LEGS 65
#define EXTRA_SHARES 66

/* What EXTRA_FIELDS calls a field's type. */
typedef enum ExtraType
{
	EXTRA_NUMBER,
	EXTRA_TIME,
	EXTRA_BYTE,
	EXTRA_FLAG,
	EXTRA_AMOUNT,
} ExtraType;

typedef struct ExtraField
{
	unsigned char tag;
	const char *name;
	ExtraType type;
	size_t offset; /* of the value in an Operation */
} ExtraField;

/* The fields of a request, and those that only legs have. */
extern const ExtraField extra_fields[];
extern const ExtraField extra_leg_fields[];
extern const int extra_field_count;
extern const int extra_leg_field_count;

/* Has the field a value that is not left out? */
extern bool extra_field_is_set(const ExtraField *field, const Operation *operation);

/* Has the operation no fields?  Nearly all of them have none. */
static inline bool
extra_is_empty(const Operation *operation)
{
#define EXTRA_SET_NUMBER(value) (value) != 0
#define EXTRA_SET_TIME(value) (value) != 0
#define EXTRA_SET_BYTE(value) (value) != 0
#define EXTRA_SET_FLAG(value) (value)
#define EXTRA_SET_AMOUNT(value) (value).digits != 0
#define EXTRA_OR_SET(tag, name, type, field) || EXTRA_SET_##type(operation->field)
	return !(operation->has_handshake || operation->kind == KIND_GROUP EXTRA_FIELDS(EXTRA_OR_SET));
#undef EXTRA_OR_SET
}

/*
 * Writes the fields of a request and returns how many bytes they have.  Without memory (NULL)
 * nothing is written, and the answer is how much is needed.
 */
extern size_t extra_pack(const Operation *request, unsigned char *bytes);

/*
 * Reads what extra_pack() has written.  extra_unpack() sets the fields of a request that has its
 * columns and is zero otherwise; the legs go into the block, which has as many bytes as
 * extra_block_size() says, 0 where there are no legs.  Both return false when extra_pack() cannot
 * have written the bytes, such as those of a newer version, whatever the bytes are.
 */
extern bool extra_block_size(const unsigned char *bytes, size_t length, size_t *size);
extern bool extra_unpack(const unsigned char *bytes, size_t length, Operation *request,
                         void *block);

#endif /* PG_WALLET_EXTRA_H */
