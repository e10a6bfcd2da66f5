/*
 * interval.h
 *		Intervals as text.
 */
#ifndef PG_WALLET_INTERVAL_H
#define PG_WALLET_INTERVAL_H

#include "base/version.h"

#include "datatype/timestamp.h"

/*
 * Reads an interval as PostgreSQL or ISO 8601 writes it, in microseconds: a day is 24 hours and a
 * month 30 days, so that the length depends on no date and no time zone.  False, without an error,
 * when the text is none, or when the length is INTERVAL_US_MAX or more.
 */
extern bool interval_parse(const char *text, int64 *us);

/* The same for a value of the SQL type. */
extern bool interval_to_us(const Interval *interval, int64 *us);

/* 1000 years of 12 months: with such an interval added, today is a moment that PostgreSQL has. */
#define INTERVAL_US_MAX (INT64CONST(360000) * 24 * 60 * 60 * 1000000)

#endif /* PG_WALLET_INTERVAL_H */
