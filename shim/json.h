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

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "db.h"

#define HANDSHAKE_LENGTH 64
#define HISTORY_ROWS_DEFAULT 50
#define HISTORY_ROWS_MAX 1000
#define MESSAGE_SIZE 256

/* The members that a question may have; a set of them is a sum of 1u << member. */
typedef enum Member
{
	MEMBER_USER_ID,
	MEMBER_HANDSHAKE_ID,
	MEMBER_WALLET_ID,
	MEMBER_TRANSACTION_ID,
	MEMBER_BEFORE,
	MEMBER_LIMIT,
	MEMBER_COUNT
} Member;

#define MEMBER_BIT(member) (1u << (member))

typedef struct Members
{
	unsigned given;
	int64_t number[MEMBER_COUNT]; /* of all members but the handshake */
	char handshake_id[HANDSHAKE_LENGTH + 1];
} Members;

/* Which of the two shapes an answer has. */
typedef enum Shape
{
	SHAPE_WALLET,
	SHAPE_TRANSACTION
} Shape;

/*
 * Both read the members that a question may have (allowed) and must have
 * (required), from a JSON object or from the query string (percent-encoded,
 * without its question mark).  CODE_OK, or the code of the first rule broken
 * in the order of codes.h, with what exactly in message.
 */
WalletCode json_read_members(const char *text, size_t length, unsigned allowed, unsigned required,
                             Members *members, char message[MESSAGE_SIZE]);
WalletCode query_read_members(const char *text, unsigned allowed, unsigned required,
                              Members *members, char message[MESSAGE_SIZE]);

/* Reads the user_id of a POST's body, and nothing else; false when it has none. */
bool json_read_user_id(const char *text, size_t length, int64_t *user_id);

/* The name of a member. */
const char *member_name(Member member);

/* What both share: looks a name up, MEMBER_COUNT when there is none such. */
Member member_by_name(const char *name, size_t length);

/* What both share: checks and stores one value; text of digits for a number. */
WalletCode member_store_number(Members *members, Member member, int64_t number,
                               char message[MESSAGE_SIZE]);
WalletCode member_store_handshake(Members *members, const char *text, size_t length,
                                  char message[MESSAGE_SIZE]);

/* What both share: whether all required members were given. */
WalletCode members_complete(const Members *members, unsigned required, char message[MESSAGE_SIZE]);

/* What both share: the refusals, which name the member. */
WalletCode member_unknown(const char *name, size_t length, char message[MESSAGE_SIZE]);
WalletCode member_duplicate(Member member, char message[MESSAGE_SIZE]);
WalletCode member_wrong_type(Member member, char message[MESSAGE_SIZE]);
WalletCode member_out_of_range(Member member, char message[MESSAGE_SIZE]);

/* Writes the answer to what is still queued: every member null but the handshake. */
void json_write_queued(Buffer *out, Shape shape, const char *handshake_id);

/* Writes an outcome, from a row of wallet_lookup_many or wallet_read_many. */
void json_write_outcome(Buffer *out, Shape shape, const char *handshake_id, const DbResult *result);

/* Writes a page of a wallet's history; a full page carries the next one's cursor. */
void json_write_history(Buffer *out, int64_t wallet_id, int max_rows, const DbResult *result);

/* Writes an RFC 9457 problem with a code's hint, if it has one. */
void json_write_problem(Buffer *out, WalletCode code, const char *message);

#endif /* WALLET_SHIM_JSON_H */
