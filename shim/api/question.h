/*
 * question.h
 *		Reads the JSON of requests: the members of a question, the user of a payload.
 *
 * A question's members hold ids and handshakes, never money.  Money only passes through: a POST's
 * body goes to the database as it came.
 */
#ifndef WALLET_SHIM_QUESTION_H
#define WALLET_SHIM_QUESTION_H

#include <stdbool.h>

#include "api/members.h"

/*
 * Reads the members that a question may have (allowed) and must have (required) from a JSON object.
 * CODE_OK, or the code of the first rule broken in the order of codes.h, with what exactly in
 * message.
 */
WalletCode question_read_members(const char *text, size_t length, unsigned allowed,
                                 unsigned required, Members *members, char message[MESSAGE_SIZE]);

/*
 * Reads the user_id of a POST's payload, and nothing else.  False when the user is not beyond
 * doubt: there is no user_id, or there are two, or the payload is not JSON.
 */
bool question_read_user_id(const char *text, size_t length, int64_t *user_id);

#endif /* WALLET_SHIM_QUESTION_H */
