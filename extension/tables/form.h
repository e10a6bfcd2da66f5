/*
 * form.h
 *		Rows as tuples, as heap_form_tuple() makes them.
 */
#ifndef PG_WALLET_FORM_H
#define PG_WALLET_FORM_H

#include "base/version.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"

/* How the values of a column lie in a row. */
typedef struct FormColumn
{
	int16 length; /* -1: a varlena */
	uint8 align;  /* bytes */
	bool packs;   /* a varlena may get a short header */
} FormColumn;

/* How rows are made of a table's columns. */
typedef struct RowForm
{
	TupleDesc columns;
	TupleDesc *prefixes;             /* of the first column, the first two ...; NULL: not used */
	const struct AttrMissing *usual; /* what rows have that end before a column; NULL: nulls */
	FormColumn *layouts;             /* NULL: heap_form_tuple() has to do the work */
} RowForm;

/*
 * Fills the form, in the current memory context.  The columns stay where they are: they are those
 * that the table has now, since a table that is rewritten loses its usual values.
 */
extern void form_prepare(RowForm *form, TupleDesc columns);

/*
 * Makes the row in the values of a slot into a tuple that ends with its last column which is
 * neither null nor of its usual value, as the rows of a table do to which columns were added
 * later.  The columns behind that one take no room.  See docs/posting.md, "Rows without
 * statements".
 */
extern void form_row(const RowForm *form, TupleTableSlot *slot);

#endif /* PG_WALLET_FORM_H */
