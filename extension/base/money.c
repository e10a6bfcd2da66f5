/*
 * money.c
 *		Amounts between SQL's numeric and minor units.
 */
#include "base/money.h"

#include "utils/builtins.h"

#include "base/refusal.h"
#include "rules/codes.h"
#include "rules/number.h"

PG_FUNCTION_INFO_V1(wallet_amount);
PG_FUNCTION_INFO_V1(wallet_amount_text);
PG_FUNCTION_INFO_V1(wallet_available_amount);
PG_FUNCTION_INFO_V1(wallet_number_text);

/*
 * Only the value of a numeric counts, and not its scale: 12.50 and 12.5000 are both accepted for a
 * currency with two decimals.  NaN and infinity are refused.
 */
WalletCode
amount_read_numeric(Numeric value, Amount *amount)
{
	char *text = numeric_normalize(value);
	WalletCode code = amount_parse(text, strlen(text), amount);

	pfree(text);
	return code;
}

Amount
amount_from_numeric(Numeric value, const char *name)
{
	Amount amount;
	WalletCode code = amount_read_numeric(value, &amount);

	if (code != CODE_OK)
		refuse(code, psprintf("%s is %.40s.", name, numeric_normalize(value)));
	return amount;
}

Numeric
amount_to_numeric(int64 minor, int minor_digits)
{
	Assert(minor_digits >= 0 && minor_digits <= MINOR_DIGITS_MAX);
	return int64_div_fast_to_numeric(minor, minor_digits);
}

static int
minor_digits_argument(int32 minor_digits)
{
	if (minor_digits < 0 || minor_digits > MINOR_DIGITS_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("minor_digits must be from 0 to %d", MINOR_DIGITS_MAX)));
	return minor_digits;
}

/* wallet.amount(minor_units bigint, minor_digits integer) → numeric */
Datum
wallet_amount(PG_FUNCTION_ARGS)
{
	PG_RETURN_NUMERIC(
	    amount_to_numeric(PG_GETARG_INT64(0), minor_digits_argument(PG_GETARG_INT32(1))));
}

/* wallet.amount_text(minor_units bigint, minor_digits integer) → text: as JSON shows it */
Datum
wallet_amount_text(PG_FUNCTION_ARGS)
{
	char buffer[AMOUNT_TEXT_SIZE];

	amount_format(PG_GETARG_INT64(0), minor_digits_argument(PG_GETARG_INT32(1)), buffer);
	PG_RETURN_TEXT_P(cstring_to_text(buffer));
}

/*
 * wallet.available(balance bigint, held bigint, floor bigint, minor_digits integer) → numeric:
 * balance - held - floor, which may be more than 64 bits.
 */
Datum
wallet_available_amount(PG_FUNCTION_ARGS)
{
	int minor_digits = minor_digits_argument(PG_GETARG_INT32(3));
	Datum rest = NumericGetDatum(amount_to_numeric(PG_GETARG_INT64(0), minor_digits));

	for (int i = 1; i <= 2; i++)
		rest = DirectFunctionCall2(
		    numeric_sub, rest,
		    NumericGetDatum(amount_to_numeric(PG_GETARG_INT64(i), minor_digits)));
	PG_RETURN_DATUM(rest);
}

/* wallet.number_text(amount numeric) → text: as JSON shows an amount */
Datum
wallet_number_text(PG_FUNCTION_ARGS)
{
	char *text = numeric_normalize(PG_GETARG_NUMERIC(0));

	PG_RETURN_TEXT_P(cstring_to_text(strchr(text, '.') != NULL ? text : psprintf("%s.0", text)));
}
