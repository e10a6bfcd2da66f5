/*
 * members.h
 *		The members of a question, wherever it stands: in JSON or in a query string.
 */
#ifndef WALLET_SHIM_MEMBERS_H
#define WALLET_SHIM_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codes.h"
#include "extension/rules/number.h"

#define HANDSHAKE_LENGTH 64
#define HISTORY_ROWS_DEFAULT 50
#define HISTORY_ROWS_MAX 1000

/* The members that a question may have; a set of them is a sum of MEMBER_BITs. */
typedef enum Member
{
	MEMBER_USER_ID,
	MEMBER_HANDSHAKE_ID,
	MEMBER_WALLET_ID,
	MEMBER_TRANSACTION_ID,
	MEMBER_BEFORE,
	MEMBER_LIMIT,
	MEMBER_HOLD_ID,
	MEMBER_STATE,   /* a word */
	MEMBER_INCLUDE, /* a word */
	MEMBER_DRY_RUN, /* a word */
	MEMBER_COUNT
} Member;

/* The words that these members may be: their numbers, in the order of members.c. */
typedef enum Word
{
	WORD_OPEN,
	WORD_CAPTURED,
	WORD_VOIDED,
	WORD_EXPIRED,
	WORD_ALL,
	WORD_LIMITS,
	WORD_HOLDS,
	WORD_LINKS,
	WORD_TRUE,
	WORD_FALSE,
	WORD_COUNT
} Word;

#define MEMBER_BIT(member) (1u << (member))

typedef struct Members
{
	unsigned given;               /* a set */
	int64_t number[MEMBER_COUNT]; /* of all members but the handshake; of a word its Word */
	char handshake_id[HANDSHAKE_LENGTH + 1];
} Members;

/* As json_read_members, from a query string: percent-encoded, without its question mark. */
WalletCode query_read_members(const char *text, unsigned allowed, unsigned required,
                              Members *members, char message[MESSAGE_SIZE]);

/* Whether an answer is to include what a word names. */
bool members_include(const Members *members, Word word);

/* The name of a member. */
const char *member_name(Member member);

/* The member that has a name; MEMBER_COUNT when none has it. */
Member member_by_name(const char *name, size_t length);

/* Whether the value of a member is one of a few words. */
bool member_is_word(Member member);

/* The text of a word. */
const char *word_text(Word word);

/* All check one value and store it: CODE_OK, or the refusal with its message. */
WalletCode member_store_word(Members *members, Member member, const char *text, size_t length,
                             char message[MESSAGE_SIZE]);
WalletCode member_store_number(Members *members, Member member, const char *text, size_t length,
                               char message[MESSAGE_SIZE]);
WalletCode member_store_handshake(Members *members, const char *text, size_t length,
                                  char message[MESSAGE_SIZE]);

/* Whether all required members were given: CODE_OK or CODE_MISSING_MEMBER. */
WalletCode members_complete(const Members *members, unsigned required, char message[MESSAGE_SIZE]);

/* The refusals: each writes a message that names the member, and returns its code. */
WalletCode member_unknown(const char *name, size_t length, char message[MESSAGE_SIZE]);
WalletCode member_duplicate(Member member, char message[MESSAGE_SIZE]);
WalletCode member_no_handshake(char message[MESSAGE_SIZE]);

#endif /* WALLET_SHIM_MEMBERS_H */
