/*
 * interval.c
 *		Intervals as text.
 *
 * The type's own input function raises an error for a wrong text, which must not happen while the
 * server reads its configuration.  So the functions below that one are called.
 */
#include "base/interval.h"

#include "common/int.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Longer texts are refused: no interval needs more. */
#define INTERVAL_TEXT_MAX 256

bool
interval_to_us(const Interval *interval, int64 *us)
{
	int64 days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64 days_us;

	/* The bound also keeps out the infinite intervals of PostgreSQL 17. */
	return !pg_mul_s64_overflow(days, USECS_PER_DAY, &days_us) &&
	       !pg_add_s64_overflow(days_us, interval->time, us) &&
	       *us<INTERVAL_US_MAX && * us> - INTERVAL_US_MAX;
}

/* Returns 0, or a DTERR_ code. */
static int
decode(const char *text, struct pg_itm_in *parts, int *type)
{
	char room[INTERVAL_TEXT_MAX];
	char copy[INTERVAL_TEXT_MAX];
	char *fields[MAXDATEFIELDS];
	int types[MAXDATEFIELDS];
	int count;
	int error;

	if (strlcpy(copy, text, sizeof(copy)) >= sizeof(copy))
		return DTERR_BAD_FORMAT;
	error = ParseDateTime(copy, room, sizeof(room), fields, types, MAXDATEFIELDS, &count);
	if (error == 0)
		error = DecodeInterval(fields, types, count, INTERVAL_FULL_RANGE, type, parts);
	if (error == DTERR_BAD_FORMAT)
		error = DecodeISO8601Interval(copy, type, parts);
	return error;
}

bool
interval_parse(const char *text, int64 *us)
{
	struct pg_itm_in parts = {0};
	int style = IntervalStyle;
	Interval interval;
	int type;
	int error;

	/* The style of the session decides what a minus sign applies to. */
	IntervalStyle = INTSTYLE_POSTGRES;
	error = decode(text, &parts, &type);
	IntervalStyle = style;
	return error == 0 && type == DTK_DELTA && itmin2interval(&parts, &interval) == 0 &&
	       interval_to_us(&interval, us);
}
