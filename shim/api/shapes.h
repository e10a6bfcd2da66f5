/*
 * shapes.h
 *		The texts of answers.
 *
 * An amount comes from the database as the text that JSON shall show.
 */
#ifndef WALLET_SHIM_SHAPES_H
#define WALLET_SHIM_SHAPES_H

#include "base/buffer.h"
#include "db/db.h"

/* Which shape an answer has. */
typedef enum Shape
{
	SHAPE_WALLET,
	SHAPE_TRANSACTION,
	SHAPE_OPERATION, /* that of a transaction, and more at its end */
	SHAPE_GROUP
} Shape;

/* Writes the answer to a queued request: every member is null but the handshake. */
void shape_write_queued(Buffer *out, Shape shape, const char *handshake_id);

/* Writes the answer to a bulk request: an array of handshakes and refusals. */
void shape_write_bulk(Buffer *out, const DbResult *result);

/* Writes an outcome, from a row of wallet_lookup_many or wallet_read_many. */
void shape_write_outcome(Buffer *out, Shape shape, const char *handshake_id,
                         const DbResult *result);

/* Writes a page of a wallet's history; a full page carries the next one's cursor. */
void shape_write_history(Buffer *out, int64_t wallet_id, int max_rows, const DbResult *result);

#endif /* WALLET_SHIM_SHAPES_H */
