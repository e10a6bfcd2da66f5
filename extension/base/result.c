/*
 * result.c
 *		Rows that functions return, of composite types that somebody may have altered.
 *
 * A user may run ALTER TYPE on a type that a C function returns.  A new attribute comes after
 * ours, and a dropped attribute keeps its place.
 */
#include "base/result.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "base/search_path.h"

bool
result_is_as_made(TupleDesc columns, const Oid *types, int count)
{
	if (columns->natts != count)
		return false;
	for (int i = 0; i < count; i++)
	{
		const FormData_pg_attribute *column = TupleDescAttr(columns, i);

		if (column->attisdropped || column->atttypid != types[i] || column->atttypmod != -1)
			return false;
	}
	return true;
}

/* Converts the value to the column's type, by way of the value's text. */
static Datum
convert(Datum value, Oid type, const FormData_pg_attribute *column)
{
	Oid output;
	Oid input;
	Oid element;
	bool is_varlena;

	if (column->atttypid == type && column->atttypmod == -1)
		return value;
	getTypeOutputInfo(type, &output, &is_varlena);
	getTypeInputInfo(column->atttypid, &input, &element);
	return OidInputFunctionCall(input, OidOutputFunctionCall(output, value), element,
	                            column->atttypmod);
}

HeapTuple
result_row(TupleDesc columns, const Oid *types, int count, Datum *values, bool *nulls)
{
	Datum *altered;
	bool *altered_nulls;
	int path;

	if (result_is_as_made(columns, types, count))
		return heap_form_tuple(columns, values, nulls);
	path = search_path_pin();
	altered = palloc0(sizeof(Datum) * columns->natts);
	altered_nulls = palloc(sizeof(bool) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		const FormData_pg_attribute *column = TupleDescAttr(columns, i);

		altered_nulls[i] = i >= count || nulls[i] || column->attisdropped;
		if (!altered_nulls[i])
			altered[i] = convert(values[i], types[i], column);
	}
	search_path_unpin(path);
	return heap_form_tuple(columns, altered, altered_nulls);
}
