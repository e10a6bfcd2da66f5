/*
 * form.c
 *		Rows as tuples.
 *
 * heap_form_tuple() takes 1,500 instructions for a row of the journal, since it serves all types
 * there are.  The tables here have whole numbers, times, enums, and a few texts: see
 * docs/posting.md, "Rows without statements".
 *
 * Locking: none.
 */
#include "tables/form.h"

#include "access/htup_details.h"
#include "access/tupdesc_details.h"
#include "catalog/pg_type.h"
#include "utils/datum.h"

/* The bytes of an alignment of pg_attribute; 0 for one that is not known. */
static uint8
align_of(char alignment)
{
	switch (alignment)
	{
		case TYPALIGN_CHAR:
			return 1;
		case TYPALIGN_SHORT:
			return ALIGNOF_SHORT;
		case TYPALIGN_INT:
			return ALIGNOF_INT;
		case TYPALIGN_DOUBLE:
			return ALIGNOF_DOUBLE;
		default:
			return 0;
	}
}

static bool
has_usual_value(const RowForm *form, int column)
{
	return form->usual != NULL && form->usual[column].am_present;
}

/*
 * Makes the descriptors of rows that end before the last column, for a table whose last columns
 * may be null or have a usual value.
 */
static void
make_prefixes(RowForm *form, TupleDesc columns)
{
	int count = columns->natts;
	int shortest = count;

	form->prefixes = NULL;
	while (shortest > 1 && (!TupleDescAttr(columns, shortest - 1)->attnotnull ||
	                        has_usual_value(form, shortest - 1)))
		shortest--;
	if (shortest == count)
		return;
	form->prefixes = palloc0(sizeof(TupleDesc) * count);
	for (int i = shortest; i < count; i++)
	{
		form->prefixes[i - 1] = CreateTemplateTupleDesc(i);
		for (AttrNumber column = 1; column <= i; column++)
			TupleDescCopyEntry(form->prefixes[i - 1], column, columns, column);
	}
}

/* Notes how the columns lie in rows, where all are of types that are known here. */
static void
make_layouts(RowForm *form, TupleDesc columns)
{
	form->layouts = palloc(sizeof(FormColumn) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(columns, i);
		FormColumn layout = {
		    .length = attribute->attlen,
		    .align = align_of(attribute->attalign),
		    .packs = attribute->attstorage != TYPSTORAGE_PLAIN,
		};

		if (attribute->attisdropped || layout.align == 0 ||
		    (layout.length != -1 && !attribute->attbyval))
		{
			form->layouts = NULL;
			return;
		}
		form->layouts[i] = layout;
	}
}

void
form_prepare(RowForm *form, TupleDesc columns)
{
	form->columns = columns;
	form->usual = columns->constr == NULL ? NULL : columns->constr->missing;
	make_prefixes(form, columns);
	make_layouts(form, columns);
}

/* Bytes of the header, with a bit for each column where one is null. */
static int
header_size(int count, bool has_null)
{
	return MAXALIGN(SizeofHeapTupleHeader + (has_null ? BITMAPLEN(count) : 0));
}

/*
 * Room that is certainly enough for the values; 0 where one is compressed or stored elsewhere.
 * Says also whether one is null, and whether there is a varlena.
 */
static Size
measure(const FormColumn *columns, int count, const Datum *values, const bool *nulls,
        bool *has_null, bool *has_varlena)
{
	Size room = 0;

	for (int i = 0; i < count; i++)
	{
		const struct varlena *value;

		*has_null |= nulls[i];
		if (columns[i].length > 0 || nulls[i])
		{
			room += MAXIMUM_ALIGNOF;
			continue;
		}
		value = (const struct varlena *) DatumGetPointer(values[i]);
		if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value))
			return 0;
		*has_varlena = true;
		room += MAXIMUM_ALIGNOF + VARSIZE_ANY(value);
	}
	return room;
}

/* Returns where the text ends. */
static char *
put_varlena(char *at, const FormColumn *column, const struct varlena *value)
{
	Size size = VARSIZE_ANY(value);

	if (VARATT_IS_SHORT(value))
		memcpy(at, value, size);
	else if (column->packs && VARATT_CAN_MAKE_SHORT(value))
	{
		size = VARATT_CONVERTED_SHORT_SIZE(value);
		SET_VARSIZE_SHORT(at, size);
		memcpy(at + VARHDRSZ_SHORT, VARDATA(value), size - VARHDRSZ_SHORT);
	}
	else
	{
		at = (char *) TYPEALIGN(column->align, at);
		memcpy(at, value, size);
	}
	return at + size;
}

/* Returns where the value ends.  The tuple begins at an address that is aligned as its values are.
 */
static char *
put_value(char *at, const FormColumn *column, Datum value)
{
	if (column->length < 0)
		return put_varlena(at, column, (const struct varlena *) DatumGetPointer(value));
	at = (char *) TYPEALIGN(column->align, at);
	switch (column->length)
	{
		case sizeof(int64):
			*(int64 *) at = DatumGetInt64(value);
			break;
		case sizeof(int32):
			*(int32 *) at = DatumGetInt32(value);
			break;
		case sizeof(int16):
			*(int16 *) at = DatumGetInt16(value);
			break;
		default:
			*at = DatumGetChar(value);
			break;
	}
	return at + column->length;
}

/*
 * Makes a tuple of the first count columns in the current memory context, byte for byte the one of
 * heap_form_tuple().  Returns NULL, with nothing made, where a value is compressed or stored
 * elsewhere.
 */
static HeapTuple
form_tuple(const FormColumn *columns, int count, const Datum *values, const bool *nulls)
{
	bool has_null = false;
	bool has_varlena = false;
	Size room = measure(columns, count, values, nulls, &has_null, &has_varlena);
	int header = header_size(count, has_null);
	HeapTupleHeader row;
	HeapTuple tuple;
	char *at;

	if (room == 0)
		return NULL;
	tuple = palloc0(HEAPTUPLESIZE + header + room);
	tuple->t_data = row = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	ItemPointerSetInvalid(&tuple->t_self);
	ItemPointerSetInvalid(&row->t_ctid);
	HeapTupleHeaderSetNatts(row, count);
	row->t_hoff = header;
	row->t_infomask = (has_null ? HEAP_HASNULL : 0) | (has_varlena ? HEAP_HASVARWIDTH : 0);
	at = (char *) row + header;
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		if (has_null)
			row->t_bits[i / BITS_PER_BYTE] |= 1 << i % BITS_PER_BYTE;
		at = put_value(at, &columns[i], values[i]);
	}
	tuple->t_len = (uint32) (at - (char *) row);
	Assert(tuple->t_len <= header + room);
	return tuple;
}

/* Has a row that ends before the column this value there?  Otherwise it has a null there. */
static bool
may_end_before(const RowForm *form, int column, Datum value, bool is_null)
{
	const FormData_pg_attribute *attribute = TupleDescAttr(form->columns, column);

	if (!has_usual_value(form, column))
		return is_null;
	return !is_null && datumIsEqual(value, form->usual[column].am_value, attribute->attbyval,
	                                attribute->attlen);
}

/* The columns of the slot's row up to the last that must be in it. */
static int
count_columns(const RowForm *form, const TupleTableSlot *slot)
{
	int count = form->columns->natts;

	while (
	    count > 1 && form->prefixes != NULL && form->prefixes[count - 2] != NULL &&
	    may_end_before(form, count - 1, slot->tts_values[count - 1], slot->tts_isnull[count - 1]))
		count--;
	return count;
}

void
form_row(const RowForm *form, TupleTableSlot *slot)
{
	BufferHeapTupleTableSlot *stored = (BufferHeapTupleTableSlot *) slot;
	int count = count_columns(form, slot);
	MemoryContext before = MemoryContextSwitchTo(slot->tts_mcxt);
	HeapTuple tuple = NULL;

	Assert(TTS_IS_BUFFERTUPLE(slot) && slot->tts_nvalid == form->columns->natts);
	Assert(stored->base.tuple == NULL);
	if (form->layouts != NULL)
		tuple = form_tuple(form->layouts, count, slot->tts_values, slot->tts_isnull);
	if (tuple == NULL)
		tuple = heap_form_tuple(count == form->columns->natts ? form->columns
		                                                      : form->prefixes[count - 1],
		                        slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(before);
	stored->base.tuple = tuple;
	stored->base.off = 0;
	stored->buffer = InvalidBuffer;
	slot->tts_flags |= TTS_FLAG_SHOULDFREE;
}
