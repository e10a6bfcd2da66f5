/*
 * moment.c
 *		Moments as text: ISO 8601.
 */
#include "rules/moment.h"

#define SECONDS_PER_DAY 86400
#define US_PER_SECOND 1000000

/* Days from the first of March of year 0 to 2000-01-01. */
#define DAYS_TO_2000 730425

/* The rest of the text. */
typedef struct Rest
{
	const char *text;
	const char *end;
} Rest;

static bool
next_is(const Rest *rest, char c)
{
	return rest->text < rest->end && *rest->text == c;
}

static bool
skip(Rest *rest, char c)
{
	if (!next_is(rest, c))
		return false;
	rest->text++;
	return true;
}

static bool
next_is_digit(const Rest *rest)
{
	return rest->text < rest->end && *rest->text >= '0' && *rest->text <= '9';
}

/* Exactly so many digits, whose value is within the bounds. */
static bool
take_digits(Rest *rest, int digits, int least, int most, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++)
	{
		if (!next_is_digit(rest))
			return false;
		*value = *value * 10 + (*rest->text++ - '0');
	}
	return *value >= least && *value <= most;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* A year that begins in March has its leap day at the end: days before it follow by division. */
static int64_t
days_since_2000(int year, int month, int day)
{
	int64_t years = month > 2 ? year : year - 1;
	int months = (month + 9) % 12;

	return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 -
	       DAYS_TO_2000;
}

static bool
take_date(Rest *rest, int64_t *days)
{
	int year, month, day;
	bool has_separators;

	if (!take_digits(rest, 4, 1, 9999, &year))
		return false;
	has_separators = skip(rest, '-');
	if (!take_digits(rest, 2, 1, 12, &month) || (has_separators && !skip(rest, '-')) ||
	    !take_digits(rest, 2, 1, days_of_month(year, month), &day))
		return false;
	*days = days_since_2000(year, month, day);
	return true;
}

/* Decimals of a second, as microseconds. */
static bool
take_decimals(Rest *rest, int64_t *us)
{
	int unit = US_PER_SECOND / 10;

	*us = 0;
	if (!skip(rest, '.') && !skip(rest, ','))
		return true;
	if (!next_is_digit(rest))
		return false;
	for (; next_is_digit(rest); unit /= 10)
		*us += (*rest->text++ - '0') * unit;
	return true;
}

/* Midnight is also 24:00:00, and a leap second is the first of the next minute. */
static bool
take_time(Rest *rest, int64_t *us)
{
	int hour, minute = 0, second = 0;
	int64_t decimals = 0;

	if (!take_digits(rest, 2, 0, 24, &hour))
		return false;
	if (skip(rest, ':'))
	{
		if (!take_digits(rest, 2, 0, 59, &minute) ||
		    (skip(rest, ':') &&
		     (!take_digits(rest, 2, 0, 60, &second) || !take_decimals(rest, &decimals))))
			return false;
	}
	else if (next_is_digit(rest))
	{
		if (!take_digits(rest, 2, 0, 59, &minute) ||
		    (next_is_digit(rest) &&
		     (!take_digits(rest, 2, 0, 60, &second) || !take_decimals(rest, &decimals))))
			return false;
	}
	*us = ((int64_t) hour * 3600 + minute * 60 + second) * US_PER_SECOND + decimals;
	return hour < 24 || *us == (int64_t) SECONDS_PER_DAY * US_PER_SECOND;
}

/* How far the zone is ahead of UTC, in seconds. */
static bool
take_zone(Rest *rest, int *ahead)
{
	bool is_behind = next_is(rest, '-');
	int hour, minute = 0;

	*ahead = 0;
	if (rest->text == rest->end || skip(rest, 'Z') || skip(rest, 'z'))
		return true;
	if (!skip(rest, '+') && !skip(rest, '-'))
		return false;
	if (!take_digits(rest, 2, 0, 15, &hour))
		return false;
	if ((skip(rest, ':') || next_is_digit(rest)) && !take_digits(rest, 2, 0, 59, &minute))
		return false;
	*ahead = (hour * 3600 + minute * 60) * (is_behind ? -1 : 1);
	return true;
}

bool
moment_parse(const char *text, size_t length, int64_t *moment)
{
	Rest rest = {text, text + length};
	int64_t days;
	int64_t us = 0;
	int ahead = 0;

	if (!take_date(&rest, &days))
		return false;
	if (rest.text < rest.end && ((!skip(&rest, 'T') && !skip(&rest, 't') && !skip(&rest, ' ')) ||
	                             !take_time(&rest, &us) || !take_zone(&rest, &ahead)))
		return false;
	*moment = (days * SECONDS_PER_DAY - ahead) * US_PER_SECOND + us;
	return rest.text == rest.end;
}
