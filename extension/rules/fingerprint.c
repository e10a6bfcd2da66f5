/*
 * fingerprint.c
 *		What a request asks for, as bytes.
 */
#include "rules/fingerprint.h"

#include <string.h>

/* Each of these writes a value, and returns how many bytes it has: 0 of a value that is zero. */
typedef size_t (*ValueWriter)(const void *value, unsigned char *bytes);

static size_t
put_id(const void *value, unsigned char *bytes)
{
	int64_t id = *(const int64_t *) value;

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) ((uint64_t) id >> (56 - 8 * i));
	return id == 0 ? 0 : 8;
}

/* Without the zeros at the end of its decimals, which say nothing. */
static size_t
put_amount(const void *value, unsigned char *bytes)
{
	Amount amount = *(const Amount *) value;

	while (amount.scale > 0 && amount.digits % 10 == 0)
	{
		amount.digits /= 10;
		amount.scale--;
	}
	bytes[8] = (unsigned char) amount.scale;
	return put_id(&amount.digits, bytes) == 0 ? 0 : 9;
}

static size_t
put_currency(const void *value, unsigned char *bytes)
{
	const size_t size = sizeof(((Request *) 0)->currency);

	memset(bytes, 0, size);
	memcpy(bytes, value, strlen(value));
	return bytes[0] == '\0' ? 0 : size;
}

static size_t
put_byte(const void *value, unsigned char *bytes)
{
	bytes[0] = *(const unsigned char *) value;
	return bytes[0] == 0 ? 0 : 1;
}

static size_t
put_handshake(const void *value, unsigned char *bytes)
{
	static const unsigned char none[HANDSHAKE_SIZE];

	memcpy(bytes, value, HANDSHAKE_SIZE);
	return memcmp(bytes, none, HANDSHAKE_SIZE) == 0 ? 0 : HANDSHAKE_SIZE;
}

/* What is no part of what is asked for. */
static size_t
put_nothing(const void *value, unsigned char *bytes)
{
	(void) value;
	(void) bytes;
	return 0;
}

static const ValueWriter writers[] = {
    [TYPE_ID] = put_id,
    [TYPE_USER] = put_id,
    [TYPE_TIME] = put_id,
    [TYPE_INTERVAL] = put_id,
    [TYPE_DEADLINE] = put_nothing,
    [TYPE_FLAG] = put_byte,
    [TYPE_NEGATED_FLAG] = put_byte,
    [TYPE_AMOUNT_MODE] = put_byte,
    [TYPE_SHORTFALL] = put_byte,
    [TYPE_HANDSHAKE] = put_handshake,
    [TYPE_LEGS] = put_nothing,
    [TYPE_SPLIT] = put_nothing,
    [TYPE_AMOUNT] = put_amount,
    [TYPE_AMOUNT_OR_ZERO] = put_amount,
    [TYPE_CURRENCY] = put_currency,
};

_Static_assert(sizeof(writers) / sizeof(writers[0]) == TYPE_COUNT,
               "each type of member has its writer");

/* Bytes of a share: its destination, its form, and an amount. */
#define SHARE_BYTES 18

/* Bytes of a leg at the most, without its shares: its length, and a number of shares. */
#define LEG_BYTES_MAX (OPERATION_BYTES_MAX + 4 + 2)

static size_t
put_count(size_t count, int size, unsigned char *bytes)
{
	for (int i = 0; i < size; i++)
		bytes[i] = (unsigned char) (count >> (8 * (size - 1 - i)));
	return (size_t) size;
}

/* The form is told by a letter, so that no two forms have the same bytes. */
static size_t
put_share(const Share *share, unsigned char *bytes)
{
	memset(bytes, 0, SHARE_BYTES);
	(void) put_id(&share->destination_wallet_id, bytes);
	if (share->is_rest)
		bytes[8] = 'r';
	else if (share->has_parts)
	{
		bytes[8] = 'p';
		(void) put_id(&share->parts_per_million, bytes + 9);
	}
	else
	{
		bytes[8] = 'a';
		(void) put_amount(&share->amount, bytes + 9);
	}
	return SHARE_BYTES;
}

/* The kind, the members, and for a leg its shares. */
static size_t
put_operation(const Operation *operation, unsigned char *bytes)
{
	const KindInfo *info = &kind_infos[operation->kind];
	size_t length = put_count(operation->kind, 2, bytes);

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];
		size_t name_size = strlen(member->name) + 1;
		size_t size = writers[member->type]((const char *) operation + member->offset,
		                                    bytes + length + name_size);

		if (size == 0)
			continue;
		memcpy(bytes + length, member->name, name_size);
		length += name_size + size;
	}
	if (operation->share_count > 0)
		length += put_count((size_t) operation->share_count, 2, bytes + length);
	for (int i = 0; i < operation->share_count; i++)
		length += put_share(&operation->parts->shares[operation->share_first + i], bytes + length);
	return length;
}

size_t
operation_bytes_max(const Request *request)
{
	const Parts *parts = request->kind == KIND_GROUP ? request->parts : NULL;

	if (parts == NULL)
		return OPERATION_BYTES_MAX;
	return OPERATION_BYTES_MAX + (size_t) parts->leg_count * LEG_BYTES_MAX +
	       (size_t) parts->share_count * SHARE_BYTES;
}

size_t
operation_to_bytes(const Request *request, unsigned char *bytes)
{
	const Parts *parts = request->kind == KIND_GROUP ? request->parts : NULL;
	size_t length = put_operation(request, bytes);

	for (int i = 0; parts != NULL && i < parts->leg_count; i++)
	{
		size_t size = put_operation(&parts->legs[i], bytes + length + 4);

		length += put_count(size, 4, bytes + length) + size;
	}
	return length;
}
