/*
 * question.h
 *		Reads the JSON of requests: the members of a question, what the shim needs of a payload.
 *
 * A question's members hold ids and handshakes, never money.  Money only passes through: a POST's
 * body goes to the database as it came.
 */
#ifndef WALLET_SHIM_QUESTION_H
#define WALLET_SHIM_QUESTION_H

#include <stdbool.h>

#include "api/kinds.h"
#include "api/members.h"
#include "api/object.h"

/*
 * Reads the members that a question may have (allowed) and must have (required) from a JSON object.
 * CODE_OK, or the code of the first rule broken in the order of codes.h, with what exactly in
 * message.
 */
WalletCode question_read_members(const char *text, size_t length, unsigned allowed,
                                 unsigned required, Members *members, char message[MESSAGE_SIZE]);

/* What the shim needs of a POST's payload. */
typedef struct Payload
{
	bool names_user; /* there is a user_id */
	int64_t user_id; /* 0: none, or not beyond doubt: it is no id, or there are two */
	Slice legs;      /* the value of the member, as its text stands; without text: there is none */
	ObjectMember kind; /* of an element of an array of many kinds; without text: there is none */
	bool has_kinds;    /* there are two */
} Payload;

/* The kind that a payload names; NULL where it names none, or not by a string without escapes. */
const Kind *payload_kind(const Payload *payload);

/* Reads a payload: CODE_OK, CODE_NOT_AN_OBJECT or CODE_INVALID_JSON; then nothing is known. */
WalletCode question_read_payload(const char *text, size_t length, Payload *payload);

#endif /* WALLET_SHIM_QUESTION_H */
