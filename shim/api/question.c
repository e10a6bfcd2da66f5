/*
 * question.c
 *		Reads the JSON of requests: by object.c, and by jansson where a string may have escapes.
 */
#include "api/question.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/object.h"

/* A string without its quotes, and with its escapes resolved; NULL when there is no memory. */
static json_t *
load_string(const char *text, size_t length)
{
	return json_loadb(text, length, JSON_DECODE_ANY, NULL);
}

/* The member that a name stands for, which may have escapes; MEMBER_COUNT for none. */
static Member
find_member(const Slice *name)
{
	Member member;
	json_t *string;

	assert(name->text[-1] == '"' && name->text[name->length] == '"');
	if (memchr(name->text, '\\', name->length) == NULL)
		return member_by_name(name->text, name->length);
	string = load_string(name->text - 1, name->length + 2);
	member = string == NULL ? MEMBER_COUNT
	                        : member_by_name(json_string_value(string), json_string_length(string));
	json_decref(string);
	return member;
}

static bool
is_string(const Slice *value)
{
	assert(value->length > 0);
	return value->text[0] == '"';
}

static WalletCode
store_handshake(Members *members, const Slice *value, char message[MESSAGE_SIZE])
{
	json_t *string;
	WalletCode code;

	if (!is_string(value))
		return member_no_handshake(message);
	string = load_string(value->text, value->length);
	if (string == NULL)
		return member_no_handshake(message);
	code = member_store_handshake(members, json_string_value(string), json_string_length(string),
	                              message);
	json_decref(string);
	return code;
}

/* A number, or one in a string, as its text stands: no escape is resolved. */
static Slice
number_text(const Slice *value)
{
	return is_string(value) ? (Slice){value->text + 1, value->length - 2} : *value;
}

static WalletCode
store_value(Members *members, Member member, const Slice *value, char message[MESSAGE_SIZE])
{
	Slice number = number_text(value);

	if (member == MEMBER_HANDSHAKE_ID)
		return store_handshake(members, value, message);
	if (member_is_word(member))
		return member_store_word(members, member, is_string(value) ? number.text : "",
		                         is_string(value) ? number.length : 0, message);
	return member_store_number(members, member, number.text, number.length, message);
}

/* Finds the values of the members by their names. */
static WalletCode
find_values(ObjectWalk *walk, unsigned allowed, Members *members, Slice values[MEMBER_COUNT],
            char message[MESSAGE_SIZE])
{
	ObjectMember next;

	while (object_next(walk, &next))
	{
		Member member = find_member(&next.name);

		if (member == MEMBER_COUNT || !(allowed & MEMBER_BIT(member)))
			return member_unknown(next.name.text, next.name.length, message);
		if (members->given & MEMBER_BIT(member))
			return member_duplicate(member, message);
		members->given |= MEMBER_BIT(member);
		values[member] = next.value;
	}
	return CODE_OK;
}

WalletCode
question_read_members(const char *text, size_t length, unsigned allowed, unsigned required,
                      Members *members, char message[MESSAGE_SIZE])
{
	Slice values[MEMBER_COUNT];
	ObjectWalk walk;
	WalletCode code = object_walk(&walk, text, length);

	assert((required & ~allowed) == 0);
	memset(members, 0, sizeof(*members));
	if (code != CODE_OK)
	{
		snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[code].message);
		return code;
	}
	code = find_values(&walk, allowed, members, values, message);
	if (code == CODE_OK)
		code = members_complete(members, required, message);
	for (int member = 0; code == CODE_OK && member < MEMBER_COUNT; member++)
		if (members->given & MEMBER_BIT(member))
			code = store_value(members, (Member) member, &values[member], message);
	return code;
}

/* The database resolves no escape in a name: a name with one is none of its members. */
static bool
is_named(const Slice *name, const char *member)
{
	return name->length == strlen(member) && memcmp(name->text, member, name->length) == 0;
}

const Kind *
payload_kind(const Payload *payload)
{
	const Slice *value = &payload->kind.value;

	return value->text != NULL && is_string(value) ? kind_find(value->text + 1, value->length - 2)
	                                               : NULL;
}

static void
take_user(Payload *payload, const Slice *value)
{
	Slice number = number_text(value);
	const char *wrong;

	if (payload->names_user || id_parse(number.text, number.length, &payload->user_id, &wrong))
		payload->user_id = 0;
	payload->names_user = true;
}

WalletCode
question_read_payload(const char *text, size_t length, Payload *payload)
{
	ObjectWalk walk;
	ObjectMember next;
	WalletCode code = object_walk(&walk, text, length);

	*payload = (Payload){0};
	if (code != CODE_OK)
		return code;
	while (object_next(&walk, &next))
	{
		if (find_member(&next.name) == MEMBER_USER_ID)
			take_user(payload, &next.value);
		else if (is_named(&next.name, "legs"))
			payload->legs = next.value;
		else if (is_named(&next.name, "kind"))
		{
			payload->has_kinds = payload->kind.name.text != NULL;
			payload->kind = next;
		}
	}
	return CODE_OK;
}
