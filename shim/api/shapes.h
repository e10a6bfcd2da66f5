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

/* Writes an element of the answer to a bulk request: a handshake, or why there is none. */
void shape_write_stored(Buffer *out, const char *handshake_id, const char *code,
                        const char *message);

/* Writes why a handshake tells nothing. */
void shape_write_unknown(Buffer *out, const char *handshake_id, const char *code,
                         const char *message);

/*
 * Writes an outcome, from a row of wallet_lookup_many or wallet_read_many.  with_limits: a wallet
 * that there is has its limits at the end.  A transfer has its links there, where the row has them.
 */
void shape_write_outcome(Buffer *out, Shape shape, bool with_limits, const char *handshake_id,
                         const DbResult *result, int row);

/* Writes a page of a wallet's history with the next one's cursor, from wallet_history_page. */
void shape_write_history(Buffer *out, int64_t wallet_id, bool with_holds, const DbResult *result);

/* Writes one hold, or a page of holds with the next one's cursor, from wallet_holds_page. */
void shape_write_hold(Buffer *out, const DbResult *result, int row);
void shape_write_holds(Buffer *out, int64_t wallet_id, const DbResult *result);

#endif /* WALLET_SHIM_SHAPES_H */
