/*
 * item.c
 *		What is true of each function, and the values of its answer.
 */
#include "db/item.h"

#include <assert.h>
#include <stddef.h>

bool
db_is_shared(DbFunction function)
{
	return function != DB_HISTORY && function != DB_BULK;
}

bool
db_stores(DbFunction function)
{
	return function == DB_ENQUEUE || function == DB_BULK;
}

const char *
db_value(const DbResult *result, int row, int column)
{
	assert(result->code == CODE_OK && row >= 0 && row < result->row_count);
	if (PQgetisnull(result->rows, result->first_row + row, column))
		return NULL;
	return PQgetvalue(result->rows, result->first_row + row, column);
}
