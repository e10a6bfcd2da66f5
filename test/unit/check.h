/*
 * check.h
 *		What the programs of this folder say, as TAP.
 */
#ifndef PG_WALLET_TEST_CHECK_H
#define PG_WALLET_TEST_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "rules/codes.h"

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))

static int tests = 0;
static int failures = 0;

static inline void ok(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void
ok(bool passed, const char *format, ...)
{
	va_list arguments;

	tests++;
	failures += passed ? 0 : 1;
	printf("%sok %d - ", passed ? "" : "not ", tests);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static inline void
ok_code(WalletCode got, WalletCode expected, const char *what)
{
	ok(got == expected, "%s: %s", what, wallet_codes[expected].name);
	if (got != expected)
		printf("# got %s\n", wallet_codes[got].name);
}

/* Prints the plan, and returns the status to exit with. */
static inline int
all_checked(void)
{
	printf("1..%d\n", tests);
	return failures == 0 ? 0 : 1;
}

#endif /* PG_WALLET_TEST_CHECK_H */
