/*
 * layout.h
 *		What a table of the schema wallet looks like: made by map.h from the list of its columns.
 */
#ifndef PG_WALLET_LAYOUT_H
#define PG_WALLET_LAYOUT_H

#include "base/version.h"

#include "base/hints.h"

struct RowOut;
struct Statement;

typedef struct RowColumn
{
	const char *name;
	Oid type;     /* InvalidOid: the enum type of ours that is called as the column is */
	bool is_read; /* the struct has a member for the column */
	int changes;  /* the updates that change the column, or-ed together; 0: none does */
} RowColumn;

/*
 * The columns of an index on a bigint and a time, or on a time alone, for the rows whose smallint
 * state is 0.  The numbers of the columns begin with 1.
 */
typedef struct SecondKey
{
	int id_column; /* 0: none */
	int time_column;
	int state_column;
} SecondKey;

/* The first column is the primary key. */
typedef struct RowLayout
{
	const char *table;
	const RowColumn *columns;
	int column_count;
	bool is_read_once; /* its rows are read by the queue, and seldom after that */
	int status_column; /* the number of a column of type wallet.status, from 1 on; 0 for none */
	size_t struct_size;
	size_t row_offset; /* of a uint64 that says where the table's row is; 0: no member */
	HintOf hint;       /* whether hints lead to its rows */

	/* Fills the values and nulls of all columns from a struct, and the struct from them. */
	void (*to_row)(const void *from, struct RowOut *out, Datum *values, bool *nulls);
	void (*from_row)(const Datum *values, const bool *nulls, void *to);

	struct Statement *insert; /* its text is made when it is needed first */
	const char *on_conflict;  /* the end of that text, or NULL */
} RowLayout;

#endif /* PG_WALLET_LAYOUT_H */
