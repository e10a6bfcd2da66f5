/*
 * map.h
 *		Each column of a table is spelt once.
 *
 * A table has one list of columns, in the table's order, X(name, type, value, is_null, changes):
 *
 *	name		of the column
 *	type		one of those below
 *	value		the member of the C struct, or another expression of its type
 *	is_null		when the column is null; a column that is null is read as 0 or ""
 *	changes		for a table with updates: which of them change the column, 0 for none
 *
 * From the list come the layout that facts.c compares with the table (MAP_COLUMN), the code that
 * fills a row's values (MAP_PUT) and the code that reads them (MAP_GET).  These run in the same
 * way whether rows are written and read through slots (rows.c), or by the statements that map.c
 * makes from the layout for a table that a user has changed.  So both ways write the same columns.
 *
 * Locking: see docs/posting.md, "Rows without statements".
 */
#ifndef PG_WALLET_MAP_H
#define PG_WALLET_MAP_H

#include "base/version.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/statement.h"
#include "tables/layout.h"
#include "tables/rows.h"
#include "tables/status.h"

/* What the rows of one call have in common while they are made. */
typedef struct RowOut
{
	const void *given; /* the caller's, for columns that the struct has no member for */
	bool by_statement; /* a status goes out as text: the type of the column may be another one */
	const char *last_text;
	Datum last_datum; /* of that */
} RowOut;

/* The list as an array of RowColumn. */
#define MAP_COLUMN(name, type, value, is_null, ...) {#name, MAP_TYPE_##type, __VA_ARGS__},

/* The list as code that fills values and nulls, in a function to_row. */
#define MAP_PUT(name, type, value, is_null, ...)                                                   \
	*values++ = MAP_PUT_##type(value);                                                             \
	*nulls++ = (is_null);

/* The list as code that fills the struct's members, in a function from_row. */
#define MAP_GET(name, type, value, is_null, ...)                                                   \
	MAP_GET_##type(value);                                                                         \
	values++, (void) nulls++;

/* The list as a struct of as many bytes as there are columns: the offset is the column's place. */
#define MAP_PLACE(name, ...) char name;

/* The members of a RowLayout that come from the array of columns. */
#define MAP_COLUMNS(columns_) .columns = (columns_), .column_count = lengthof(columns_)

/* The types.  A column of a type UNREAD has no member in the struct, and value is not assigned. */
#define MAP_TYPE_BIGINT INT8OID, true
#define MAP_PUT_BIGINT(value) Int64GetDatum(value)
#define MAP_GET_BIGINT(member) member = DatumGetInt64(*values)

#define MAP_TYPE_TIME TIMESTAMPTZOID, true
#define MAP_PUT_TIME(value) TimestampTzGetDatum(value)
#define MAP_GET_TIME(member) member = DatumGetTimestampTz(*values)

#define MAP_TYPE_INTEGER INT4OID, true
#define MAP_GET_INTEGER(member) member = DatumGetInt32(*values)

#define MAP_TYPE_SMALLINT INT2OID, true
#define MAP_PUT_SMALLINT(value) Int16GetDatum(value)
#define MAP_GET_SMALLINT(member) member = DatumGetInt16(*values)

#define MAP_TYPE_BOOLEAN BOOLOID, true
#define MAP_PUT_BOOLEAN(value) BoolGetDatum(value)
#define MAP_GET_BOOLEAN(member) member = DatumGetBool(*values)

#define MAP_TYPE_STATUS InvalidOid, true
#define MAP_PUT_STATUS(value) row_put_status(out, value)
#define MAP_GET_STATUS(member) member = status_of_value(DatumGetObjectId(*values))

#define MAP_TYPE_TEXT TEXTOID, true
#define MAP_PUT_TEXT(value) row_put_text(out, value)
#define MAP_GET_TEXT(member) row_get_text(*values, *nulls, member, sizeof(member))

#define MAP_TYPE_UNREAD_TIME TIMESTAMPTZOID, false
#define MAP_PUT_UNREAD_TIME(value) TimestampTzGetDatum(value)
#define MAP_GET_UNREAD_TIME(value)

#define MAP_TYPE_UNREAD_INTEGER INT4OID, false
#define MAP_GET_UNREAD_INTEGER(value)

#define MAP_TYPE_UNREAD_BOOLEAN BOOLOID, false
#define MAP_GET_UNREAD_BOOLEAN(value)

#define MAP_TYPE_UNREAD_JSONB JSONBOID, false
#define MAP_PUT_UNREAD_JSONB(value) (value)
#define MAP_GET_UNREAD_JSONB(value)

#define MAP_TYPE_UNREAD_BYTEA BYTEAOID, false
#define MAP_PUT_UNREAD_BYTEA(value) (value)
#define MAP_GET_UNREAD_BYTEA(value)

/* Look up what the table's column of type wallet.status may have for values, where it has one. */
static inline void
map_load_status(const RowLayout *layout, TupleDesc columns)
{
	if (layout->status_column > 0)
		status_values_load(TupleDescAttr(columns, layout->status_column - 1)->atttypid);
}

static inline Datum
row_put_status(const RowOut *out, WalletStatus status)
{
	return out->by_statement ? CStringGetTextDatum(status_names[status])
	                         : ObjectIdGetDatum(status_value(status));
}

/* Makes a text only where it is not the one of the column or row before. */
extern Datum row_put_text(RowOut *out, const char *value);
extern void row_get_text(Datum value, bool is_null, char *member, size_t size);

/*
 * Insert count structs, whose keys (int64, the first member) rise.  given is handed to to_row.
 * An error where a trigger or rule of the user's swallows one.
 */
extern void map_insert(const RowLayout *layout, const void *structs, int count, const void *given);

/* The same by a statement always, and what on_conflict leaves out is no error.  Returns how many.
 */
extern int map_insert_by_statement(const RowLayout *layout, const void *structs, int count,
                                   const void *given);

/*
 * Store the columns that these changes change, by a statement, for the rows with the keys of the
 * structs.  The statement is one for this layout and these changes.
 */
extern void map_update_by_statement(const RowLayout *layout, Statement *statement, int changes,
                                    const void *structs, int count);

/*
 * The same without a statement where that is possible: each struct says at row_offset where its
 * row was read, and this transaction keeps others from changing the row.
 */
extern void map_update(const RowLayout *layout, Statement *statement, int changes, void *structs,
                       int count);

/* A statement that reads rows of a layout, which it calls t. */
typedef struct MapSelect
{
	const char *from;    /* what follows the list of columns */
	Statement statement; /* the number and the types of the arguments; the text is made */
} MapSelect;

/*
 * Run the statement and fill structs, which has room for so many.  Returns how many rows there
 * are; an error when there is no room.  read_only as for statement_run.
 */
extern int map_select(const RowLayout *layout, MapSelect *select, Datum *arguments, bool read_only,
                      void *structs, int room);

/* Go to the row with this key: where a hint says (docs/posting.md, "Hints"), or by the index. */
extern bool map_seek(const RowLayout *layout, RowReader *reader, int64 key);

/*
 * Read the rows with these keys, which rise, by the active snapshot: without a statement, or by
 * the statement, whose one argument is the array of the keys.  Fills structs, which has room for
 * count, in the order of the keys, and returns how many rows there are.
 */
extern int map_find(const RowLayout *layout, MapSelect *select, const int64 *keys, int count,
                    void *structs);

/* Fill a struct from the row in a reader's slot. */
extern void map_take(const RowLayout *layout, TupleTableSlot *slot, void *to);

#endif /* PG_WALLET_MAP_H */
