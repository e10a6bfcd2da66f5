/*
 * no_database.c
 *		What shim/api/json.c wants of db.h, for targets that never ask a database.
 */
#include "../../shim/db/db.h"

const char *
db_value(const DbResult *result, int row, int column)
{
	(void) result;
	(void) row;
	(void) column;
	return NULL;
}
