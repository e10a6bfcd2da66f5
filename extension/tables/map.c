/*
 * map.c
 *		Rows in and out of a table by the list of its columns.
 *
 * Without a statement where the table is as we made it (rows.c); else by statements whose texts
 * are made here from the layout, once in a session.  Columns are cast to the types that we read,
 * since their own may have been altered.
 */
#include "tables/map.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"

Datum
row_put_text(RowOut *out, const char *value)
{
	if (out->last_text == NULL || strcmp(out->last_text, value) != 0)
		out->last_datum = CStringGetTextDatum(value);
	out->last_text = value;
	return out->last_datum;
}

void
row_get_text(Datum value, bool is_null, char *member, size_t size)
{
	if (is_null)
		member[0] = '\0';
	else
		text_to_cstring_buffer(DatumGetTextPP(value), member, size);
}

/* ---- Statements ---- */

/* The type of a column's values in a statement. */
static Oid
argument_type(const RowColumn *column)
{
	return OidIsValid(column->type) ? column->type : TEXTOID;
}

static const char *
cast_name(const RowColumn *column)
{
	return OidIsValid(column->type) ? format_type_be(column->type)
	                                : psprintf("wallet.%s", quote_identifier(column->name));
}

#define ALL_COLUMNS (-1)

/*
 * The columns that any of these updates changes, or ALL_COLUMNS, separated by commas.  In the
 * format %1$s stands for the column's name and %2$s for its type.
 */
static const char *
list_columns(const RowLayout *layout, const char *format, int changes)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < layout->column_count; i++)
	{
		const RowColumn *column = &layout->columns[i];

		if (changes != ALL_COLUMNS && (column->changes & changes) == 0)
			continue;
		appendStringInfoString(&list, list.len == 0 ? "" : ", ");
		appendStringInfo(&list, format, quote_identifier(column->name), cast_name(column));
	}
	return list.data;
}

/* "unnest($1, $2, ...) AS n (...)": the rows that structs are made into. */
static const char *
list_rows(const RowLayout *layout)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 1; i <= layout->column_count; i++)
		appendStringInfo(&list, "%s$%d", i == 1 ? "unnest(" : ", ", i);
	appendStringInfo(&list, ") AS n (%s)", list_columns(layout, "%1$s", ALL_COLUMNS));
	return list.data;
}

/* Give a statement its text for the rest of the session, and arrays of the columns as arguments. */
static void
set_text(Statement *statement, const RowLayout *layout, char *sql)
{
	Assert(layout->column_count <= STATEMENT_ARGUMENTS_MAX);
	for (int i = 0; i < layout->column_count; i++)
		statement->argument_types[i] = get_array_type(argument_type(&layout->columns[i]));
	statement->argument_count = layout->column_count;
	statement->sql = MemoryContextStrdup(TopMemoryContext, sql);
}

/* Make structs into the arguments of a statement: an array for each column. */
static Datum *
make_arguments(const RowLayout *layout, const void *structs, int count, const void *given)
{
	RowOut out = {.given = given, .by_statement = true};
	Datum *arguments = palloc(sizeof(Datum) * layout->column_count);
	Datum *values = palloc(sizeof(Datum) * layout->column_count * count);
	bool *nulls = palloc(sizeof(bool) * layout->column_count * count);
	Datum row_values[STATEMENT_ARGUMENTS_MAX];
	bool row_nulls[STATEMENT_ARGUMENTS_MAX];

	for (int row = 0; row < count; row++)
	{
		CHECK_FOR_INTERRUPTS();
		layout->to_row((const char *) structs + row * layout->struct_size, &out, row_values,
		               row_nulls);
		for (int i = 0; i < layout->column_count; i++)
		{
			values[i * count + row] = row_values[i];
			nulls[i * count + row] = row_nulls[i];
		}
	}
	for (int i = 0; i < layout->column_count; i++)
	{
		Oid type = argument_type(&layout->columns[i]);
		int16 length;
		bool by_value;
		char alignment;

		get_typlenbyvalalign(type, &length, &by_value, &alignment);
		arguments[i] = PointerGetDatum(
		    construct_md_array(values + (size_t) i * count, nulls + (size_t) i * count, 1, &count,
		                       &(int){1}, type, length, by_value, alignment));
	}
	return arguments;
}

int
map_insert_by_statement(const RowLayout *layout, const void *structs, int count, const void *given)
{
	Statement *statement = layout->insert;

	Assert(count > 0);
	if (statement->sql == NULL)
		set_text(statement, layout,
		         psprintf("INSERT INTO wallet.%s (%s) SELECT %s FROM %s%s", layout->table,
		                  list_columns(layout, "%1$s", ALL_COLUMNS),
		                  list_columns(layout, "n.%1$s::%2$s", ALL_COLUMNS), list_rows(layout),
		                  layout->on_conflict == NULL ? "" : layout->on_conflict));
	statement_run(statement, make_arguments(layout, structs, count, given), NULL, false);
	return (int) SPI_processed;
}

void
map_update_by_statement(const RowLayout *layout, Statement *statement, int changes,
                        const void *structs, int count)
{
	const char *key = layout->columns[0].name;

	Assert(count > 0 && changes > 0);
	if (statement->sql == NULL)
		set_text(statement, layout,
		         psprintf("UPDATE wallet.%s AS t SET %s FROM %s WHERE t.%s = n.%s", layout->table,
		                  list_columns(layout, "%1$s = n.%1$s::%2$s", changes), list_rows(layout),
		                  key, key));
	statement_run(statement, make_arguments(layout, structs, count, NULL), NULL, false);
	result_expect(count, psprintf("wallet.%s", layout->table));
}

/* Read as something else a number could be any amount of money. */
static void
check_result(const RowLayout *layout)
{
	for (int i = 0; i < layout->column_count; i++)
	{
		Oid type = SPI_gettypeid(SPI_tuptable->tupdesc, i + 1);

		if (!OidIsValid(layout->columns[i].type))
			status_values_load(type);
		else if (type != layout->columns[i].type)
			elog(ERROR, "column %d of a statement's result is of type %u, not %u", i + 1, type,
			     layout->columns[i].type);
	}
}

/* A column that is not read is not looked at: it may be gone. */
static const char *
list_read_columns(const RowLayout *layout)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < layout->column_count; i++)
	{
		const RowColumn *column = &layout->columns[i];

		appendStringInfoString(&list, i == 0 ? "" : ", ");
		if (column->is_read)
			appendStringInfo(&list, "t.%s", quote_identifier(column->name));
		else
			appendStringInfoString(&list, "NULL");
		appendStringInfo(&list, "::%s", cast_name(column));
	}
	return list.data;
}

int
map_select(const RowLayout *layout, MapSelect *select, Datum *arguments, bool read_only,
           void *structs, int room)
{
	Datum values[STATEMENT_ARGUMENTS_MAX];
	bool nulls[STATEMENT_ARGUMENTS_MAX];
	int count;

	if (select->statement.sql == NULL)
		select->statement.sql = MemoryContextStrdup(
		    TopMemoryContext,
		    psprintf("SELECT %s FROM %s", list_read_columns(layout), select->from));
	statement_run(&select->statement, arguments, NULL, read_only);
	if (SPI_processed > (uint64) room)
		elog(ERROR, "a key leads to more than one row of table wallet.%s", layout->table);
	count = (int) SPI_processed;
	check_result(layout);
	for (int row = 0; row < count; row++)
	{
		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values, nulls);
		layout->from_row(values, nulls, (char *) structs + row * layout->struct_size);
	}
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* ---- Without a statement ---- */

static int64
key_of(const RowLayout *layout, const void *structs, int i)
{
	return *(const int64 *) ((const char *) structs + i * layout->struct_size);
}

void
map_insert(const RowLayout *layout, const void *structs, int count, const void *given)
{
	RowOut out = {.given = given};
	RowWriter writer;

	Assert(count > 0 && member_rises(structs, count, layout->struct_size, 0));
	if (!writer_open_for_keys(&writer, layout, key_of(layout, structs, 0),
	                          key_of(layout, structs, count - 1)))
	{
		if (map_insert_by_statement(layout, structs, count, given) != count)
			result_expect(count, psprintf("wallet.%s", layout->table));
		return;
	}
	writer.is_many = count >= WRITER_MANY;
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);

		CHECK_FOR_INTERRUPTS();
		if (i == 0)
			map_load_status(layout, slot->tts_tupleDescriptor);
		layout->to_row((const char *) structs + i * layout->struct_size, &out, slot->tts_values,
		               slot->tts_isnull);
	}
	writer_close(&writer);
}

/* What a struct keeps of the place of its row; 0 where a statement has read the row. */
static uint64 *
row_of(const RowLayout *layout, void *structs, int i)
{
	Assert(layout->row_offset > 0);
	return (uint64 *) ((char *) structs + i * layout->struct_size + layout->row_offset);
}

void
map_take(const RowLayout *layout, TupleTableSlot *slot, void *to)
{
	slot_getallattrs(slot);
	layout->from_row(slot->tts_values, slot->tts_isnull, to);
	if (layout->row_offset == 0)
		return;
	*row_of(layout, to, 0) = 0;
	memcpy(row_of(layout, to, 0), &slot->tts_tid, sizeof(ItemPointerData));
}

bool
map_seek(const RowLayout *layout, RowReader *reader, int64 key)
{
	ItemPointerData tid;

	if (hint_find(layout->hint, key, &tid) && reader_fetch(reader, &tid) &&
	    DatumGetInt64(slot_getattr(reader->slot, 1, &(bool){false})) == key)
		return true;
	reader_seek(reader, key);
	if (!reader_next(reader))
		return false;
	hint_keep(layout->hint, key, &reader->slot->tts_tid);
	return true;
}

int
map_find(const RowLayout *layout, MapSelect *select, const int64 *keys, int count, void *structs)
{
	RowReader reader;
	int found = 0;

	Assert(count > 0 && ActiveSnapshotSet());
	Assert(member_rises(keys, count, sizeof(int64), 0));
	if (!reader_open(&reader, layout, AccessShareLock))
		return map_select(layout, select, (Datum[]){int64_array(keys, count)}, true, structs,
		                  count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (map_seek(layout, &reader, keys[i]))
			map_take(layout, reader.slot, (char *) structs + found++ * layout->struct_size);
	}
	reader_close(&reader);
	return found;
}

/* Has each row been read without a statement? */
static bool
have_places(const RowLayout *layout, void *structs, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (*row_of(layout, structs, i) == 0)
			return false;
	}
	return true;
}

void
map_update(const RowLayout *layout, Statement *statement, int changes, void *structs, int count)
{
	RowOut out = {0};
	RowWriter writer;

	Assert(count > 0);
	if (!have_places(layout, structs, count) || !writer_open(&writer, layout, CMD_UPDATE))
	{
		map_update_by_statement(layout, statement, changes, structs, count);
		return;
	}
	writer.is_many = count >= WRITER_MANY;
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);
		ItemPointerData tid;

		CHECK_FOR_INTERRUPTS();
		memcpy(&tid, row_of(layout, structs, i), sizeof(tid));
		layout->to_row((const char *) structs + i * layout->struct_size, &out, slot->tts_values,
		               slot->tts_isnull);
		if (!writer_update(&writer, &tid, true))
			elog(ERROR, "a row of wallet.%s has changed although its wallet is locked",
			     layout->table);
		memcpy(row_of(layout, structs, i), &slot->tts_tid, sizeof(tid));
		hint_keep(layout->hint, key_of(layout, structs, i), &slot->tts_tid);
	}
	writer_close(&writer);
}
