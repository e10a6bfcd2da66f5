/*
 * number.h
 *		Amounts and ids as text.
 *
 * The text of a number decides what it is, never a double.  Zeros after the
 * last decimal that is not zero say nothing: 1.100 is 1.1, and 62.0 is 62.
 *
 * This header and number.c are plain C.  The extension and the HTTP shim both
 * read ids by id_parse, so that an id is the same to both of them.
 */
#ifndef PG_WALLET_NUMBER_H
#define PG_WALLET_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/codes.h"

/* The decimals that a currency may have at most; wallet.currency has the same limit. */
#define MINOR_DIGITS_MAX 8

/* Long enough for any amount as text: sign, 19 digits, point, zeros in front, end. */
#define AMOUNT_TEXT_SIZE 32

/* Characters of an id at most: whoever reads one keeps it in a buffer of this size. */
#define ID_LENGTH_MAX 64

/* The number digits / 10^scale, in a currency that may not be known yet. */
typedef struct Amount
{
	int64_t digits;
	int scale; /* decimals after the point, at most MINOR_DIGITS_MAX */
} Amount;

/*
 * Read -?(0|[1-9][0-9]*)(\.[0-9]+)? and nothing else.  The scale has no more decimals than the
 * number needs.  CODE_INVALID_AMOUNT, CODE_AMOUNT_PRECISION or CODE_AMOUNT_TOO_LARGE when it cannot
 * be held.
 */
extern WalletCode amount_parse(const char *text, size_t length, Amount *amount);

/* The amount in minor units.  CODE_AMOUNT_PRECISION or CODE_AMOUNT_TOO_LARGE; never rounds. */
extern WalletCode amount_to_minor(Amount amount, int minor_digits, int64_t *minor);

/*
 * Write minor units as JSON shows them: exact, at least one digit after the point and no other
 * trailing zeros (7100.0, 777.88).  The buffer has AMOUNT_TEXT_SIZE bytes.
 */
extern void amount_format(int64_t minor, int minor_digits, char *buffer);

/*
 * Read an id, a whole number from 1 to 9223372036854775807, as an amount is read: decimals must be
 * zeros.  CODE_WRONG_TYPE or CODE_ID_OUT_OF_RANGE where it is none; then *wrong says what it must
 * be, in words that follow the name of its member.
 */
extern WalletCode id_parse(const char *text, size_t length, int64_t *id, const char **wrong);

/* What those words are for a value that is neither a number nor a string. */
extern const char *const id_wrong_type;

#endif /* PG_WALLET_NUMBER_H */
