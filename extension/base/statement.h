/*
 * statement.h
 *		Statements whose plans are kept, arrays, results, and tables by their names.
 */
#ifndef PG_WALLET_STATEMENT_H
#define PG_WALLET_STATEMENT_H

#include "base/version.h"

#include "access/skey.h"
#include "catalog/pg_type.h"

/* A statement that is planned once in a session. */
typedef struct Statement
{
	const char *sql;
	int argument_count;
	Oid argument_types[12];
	struct _SPI_plan *plan;
} Statement;

/*
 * Run it, inside SPI_connect.  A session that plans as session.h says makes it do so with nothing
 * to change.  nulls may be NULL.  read_only: with the snapshot that is active. */
extern void statement_run(Statement *statement, Datum *arguments, const char *nulls,
                          bool read_only);

/* Arrays for unnest(): also of one int64 member of each struct of an array. */
extern Datum member_array(const void *structs, int count, size_t size, size_t offset, Oid type);

#define INT64_MEMBER(structs, count, type, member)                                                 \
	member_array(structs, count, sizeof(type), offsetof(type, member), INT8OID)
#define TIME_MEMBER(structs, count, type, member)                                                  \
	member_array(structs, count, sizeof(type), offsetof(type, member), TIMESTAMPTZOID)

/* For assertions: does this int64 member rise from each struct of an array to the next? */
static inline bool
member_rises(const void *structs, int count, size_t size, size_t offset)
{
	const char *member = (const char *) structs + offset;

	for (int i = 1; i < count; i++)
	{
		if (*(const int64 *) (member + (i - 1) * size) >= *(const int64 *) (member + i * size))
			return false;
	}
	return true;
}

#define MEMBER_RISES(structs, count, type, member)                                                 \
	member_rises(structs, count, sizeof(type), offsetof(type, member))

extern Datum int64_array(const int64 *values, int count);
extern Datum text_array(const char *const *values, int count);

/* Columns of the result's row, bigint or timestamptz and text; null reads as 0 or "". */
extern int64 result_int64(uint64 row, int column);
extern const char *result_text(uint64 row, int column);

/*
 * The statement has written this many rows, or an error is raised: a trigger or a rule that
 * swallows rows of ours would lose money without a word.
 */
extern void result_expect(int count, const char *table);

/*
 * Is another open transaction inserting a row with these keys into a table of the schema wallet,
 * whose columns of these names have a unique index?  The keys are in the order of the columns;
 * false where there is no such index, whatever it is called.
 */
extern bool index_entry_is_busy(const char *table, const char *const *columns, ScanKeyData *keys,
                                int key_count);

/* A table of the schema wallet by name; an error when the extension is absent. */
extern Oid wallet_relation(const char *relation);

/*
 * Lock such a table and its indexes for reading until the end of the transaction; false where that
 * would have to wait for another transaction.
 */
extern bool relation_lock_at_once(const char *relation);

/* Is this extension, of this library's version, installed in the database? */
typedef enum ExtensionState
{
	EXTENSION_ABSENT,
	EXTENSION_OTHER_VERSION,
	EXTENSION_READY
} ExtensionState;

extern ExtensionState extension_state(void);

#endif /* PG_WALLET_STATEMENT_H */
