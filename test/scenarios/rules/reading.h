/*
 * reading.h
 *		Words of a line as an operation.
 */
#ifndef PG_WALLET_SCENARIOS_READING_H
#define PG_WALLET_SCENARIOS_READING_H

#include "world.h"

/* What a request's line says beside its members. */
typedef struct Asked
{
	const char *name;
	bool is_dry;
	int legs;
} Asked;

/* The next word of the line; NULL at its end, where needed_word() fails. */
extern const char *next_word(void);
extern const char *needed_word(void);

/* A number, or the id of $NAME. */
extern int64_t read_number(const char *word);

extern WalletCode read_amount(const char *word, Amount *amount);

/*
 * Reads a kind and its members; the shares of a split are added to parts.  Returns the code that
 * the payload's reader would give.
 */
extern WalletCode read_operation(Operation *operation, Asked *asked, Parts *parts);

#endif /* PG_WALLET_SCENARIOS_READING_H */
