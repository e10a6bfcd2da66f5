/*
 * json.h
 *		JSON in and out: the members of a question, the text of an answer.
 *
 * A question's members hold ids and handshakes, never money.  Money only
 * passes through: a POST's body goes to the database as it came, and an amount
 * comes from the database as the text that JSON shall show.
 */
#ifndef WALLET_SHIM_JSON_H
#define WALLET_SHIM_JSON_H

#include "base/buffer.h"
#include "db/db.h"
#include "api/members.h"

/* Which of the two shapes an answer has. */
typedef enum Shape
{
	SHAPE_WALLET,
	SHAPE_TRANSACTION
} Shape;

/*
 * Reads the members that a question may have (allowed) and must have
 * (required) from a JSON object.  CODE_OK, or the code of the first rule
 * broken in the order of codes.h, with what exactly in message.
 */
WalletCode json_read_members(const char *text, size_t length, unsigned allowed, unsigned required,
                             Members *members, char message[MESSAGE_SIZE]);

/*
 * Reads the user_id of a POST's payload, and nothing else.  False when that is
 * not beyond doubt: there is none, a member stands twice, it is not JSON.
 */
bool json_read_user_id(const char *text, size_t length, int64_t *user_id);

/* Writes the answer to what is still queued: every member null but the handshake. */
void json_write_queued(Buffer *out, Shape shape, const char *handshake_id);

/* Writes the answer to many at once: an array, of handshakes and of refusals. */
void json_write_bulk(Buffer *out, const DbResult *result);

/* Writes an outcome, from a row of wallet_lookup_many or wallet_read_many. */
void json_write_outcome(Buffer *out, Shape shape, const char *handshake_id, const DbResult *result);

/* Writes a page of a wallet's history; a full page carries the next one's cursor. */
void json_write_history(Buffer *out, int64_t wallet_id, int max_rows, const DbResult *result);

/* Writes an RFC 9457 problem with a code's hint, if it has one. */
void json_write_problem(Buffer *out, WalletCode code, const char *message);

#endif /* WALLET_SHIM_JSON_H */
