/*
 * moment.h
 *		Moments as text: ISO 8601.
 *
 * This file and moment.c are plain C.  What a text means depends on no setting, no locale and no
 * table of time zones.
 */
#ifndef PG_WALLET_MOMENT_H
#define PG_WALLET_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads a date, or a date and a time, of the years 1 to 9999: 2026-11-27T12:30:00.5+01:00.  Without
 * a zone the time is UTC.  A blank may stand for the T.  The separators, the seconds and the
 * minutes may be left out as ISO 8601 allows, and so may the time, which is midnight then.  Sets
 * microseconds since 2000-01-01 UTC, as PostgreSQL's TimestampTz; digits after the sixth decimal of
 * a second are dropped.  False where the text is nothing of the kind.
 */
extern bool moment_parse(const char *text, size_t length, int64_t *moment);

#endif /* PG_WALLET_MOMENT_H */
