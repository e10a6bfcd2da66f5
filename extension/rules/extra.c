/*
 * extra.c
 *		The members of a request that have no column, as bytes.
 *
 * Whatever the bytes are, reading them ends, touches no memory outside of them and of the block,
 * and accepts only what writing could have made: fields in the order of their tags, each once, none
 * that says nothing.  So equal requests have equal bytes.
 */
#include "rules/extra.h"

#include <assert.h>
#include <string.h>

#define FIELD_ROW(tag, name, type, field) {tag, name, EXTRA_##type, offsetof(Operation, field)},

const ExtraField extra_fields[] = {EXTRA_FIELDS(FIELD_ROW)};
const ExtraField extra_leg_fields[] = {EXTRA_LEG_FIELDS(FIELD_ROW)};
const int extra_field_count = sizeof(extra_fields) / sizeof(extra_fields[0]);
const int extra_leg_field_count = sizeof(extra_leg_fields) / sizeof(extra_leg_fields[0]);

/* A share of a split has one of these forms. */
enum
{
	SHARE_AMOUNT,
	SHARE_PARTS,
	SHARE_REST
};

/* ---- Writing ---- */

/* Where bytes go; at NULL they are only counted. */
typedef struct Writer
{
	unsigned char *bytes;
	size_t length;
} Writer;

static void
put_byte(Writer *writer, unsigned char byte)
{
	if (writer->bytes != NULL)
		writer->bytes[writer->length] = byte;
	writer->length++;
}

/* Seven bits a byte, the lowest first; the highest bit of a byte says that more follow. */
static void
put_size(Writer *writer, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(writer, (unsigned char) (value | 0x80));
	put_byte(writer, (unsigned char) value);
}

/* Small numbers of either sign are short: 0, -1, 1, -2, 2 ... are written as 0, 1, 2, 3, 4 ... */
static void
put_number(Writer *writer, int64_t value)
{
	put_size(writer, ((uint64_t) value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static void
put_amount(Writer *writer, Amount amount)
{
	put_byte(writer, (unsigned char) amount.scale);
	put_number(writer, amount.digits);
}

static const void *
value_of(const ExtraField *field, const Operation *operation)
{
	return (const char *) operation + field->offset;
}

bool
extra_field_is_set(const ExtraField *field, const Operation *operation)
{
	const void *value = value_of(field, operation);

	switch (field->type)
	{
		case EXTRA_BYTE:
			return *(const uint8_t *) value != 0;
		case EXTRA_FLAG:
			return *(const bool *) value;
		case EXTRA_AMOUNT:
			return ((const Amount *) value)->digits != 0;
		default:
			return *(const int64_t *) value != 0;
	}
}

static void
put_fields(Writer *writer, const ExtraField *fields, int count, const Operation *operation)
{
	for (int i = 0; i < count; i++)
	{
		const void *value = value_of(&fields[i], operation);

		if (!extra_field_is_set(&fields[i], operation))
			continue;
		put_byte(writer, fields[i].tag);
		switch (fields[i].type)
		{
			case EXTRA_BYTE:
				put_byte(writer, *(const uint8_t *) value);
				break;
			case EXTRA_FLAG:
				break;
			case EXTRA_AMOUNT:
				put_amount(writer, *(const Amount *) value);
				break;
			default:
				put_number(writer, *(const int64_t *) value);
				break;
		}
	}
}

static void
put_shares(Writer *writer, const Operation *leg, const Share *shares)
{
	if (leg->share_count == 0)
		return;
	put_byte(writer, EXTRA_SHARES);
	put_size(writer, (uint64_t) leg->share_count);
	for (int i = 0; i < leg->share_count; i++)
	{
		const Share *share = &shares[leg->share_first + i];

		put_number(writer, share->destination_wallet_id);
		put_byte(writer, share->is_rest     ? SHARE_REST
		                 : share->has_parts ? SHARE_PARTS
		                                    : SHARE_AMOUNT);
		if (share->is_rest)
			continue;
		if (share->has_parts)
			put_number(writer, share->parts_per_million);
		else
			put_amount(writer, share->amount);
	}
}

static void
put_leg(Writer *writer, const Operation *leg, const Share *shares)
{
	put_size(writer, (uint64_t) leg->kind);
	put_fields(writer, extra_fields, extra_field_count, leg);
	put_fields(writer, extra_leg_fields, extra_leg_field_count, leg);
	put_shares(writer, leg, shares);
}

/* How many legs there are and how many shares they have, and each leg with its length before it. */
static void
put_legs(Writer *writer, const Parts *parts)
{
	put_byte(writer, EXTRA_LEGS);
	put_size(writer, (uint64_t) parts->leg_count);
	put_size(writer, (uint64_t) parts->share_count);
	for (int i = 0; i < parts->leg_count; i++)
	{
		Writer counter = {0};

		put_leg(&counter, &parts->legs[i], parts->shares);
		put_size(writer, counter.length);
		put_leg(writer, &parts->legs[i], parts->shares);
	}
}

size_t
extra_pack(const Operation *request, unsigned char *bytes)
{
	Writer writer = {bytes, 0};

	put_fields(&writer, extra_fields, extra_field_count, request);
	if (request->has_handshake)
	{
		put_byte(&writer, EXTRA_HANDSHAKE);
		for (int i = 0; i < HANDSHAKE_SIZE; i++)
			put_byte(&writer, request->hold_handshake[i]);
	}
	if (request->kind == KIND_GROUP && request->parts != NULL)
		put_legs(&writer, request->parts);
	return writer.length;
}

/* ---- Reading ---- */

/* The bytes that are left.  After an error there are none, and what is read is 0. */
typedef struct Reader
{
	const unsigned char *bytes;
	size_t length;
	bool is_broken;
} Reader;

static void
break_off(Reader *reader)
{
	reader->is_broken = true;
	reader->length = 0;
}

static unsigned char
take_byte(Reader *reader)
{
	if (reader->length == 0)
	{
		break_off(reader);
		return 0;
	}
	reader->length--;
	return *reader->bytes++;
}

/* A number has one spelling: the last byte is not 0 unless the number has one byte alone. */
static uint64_t
take_size(Reader *reader)
{
	uint64_t value = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		unsigned char byte = take_byte(reader);

		value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte & 0x80)
			continue;
		if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1))
			break_off(reader);
		return reader->is_broken ? 0 : value;
	}
	break_off(reader);
	return 0;
}

static int64_t
take_number(Reader *reader)
{
	uint64_t value = take_size(reader);

	return (int64_t) (value >> 1) ^ -(int64_t) (value & 1);
}

static Amount
take_amount(Reader *reader)
{
	int scale = take_byte(reader);
	Amount amount = {take_number(reader), scale};

	if (scale > MINOR_DIGITS_MAX)
		break_off(reader);
	return amount;
}

/* How many there are of something that takes one byte at least, from 1 on. */
static int
take_count(Reader *reader, int count_max)
{
	uint64_t count = take_size(reader);

	if (count < 1 || count > (uint64_t) count_max || count > reader->length)
	{
		break_off(reader);
		return 0;
	}
	return (int) count;
}

/* The next tag, which stays; 0 at the end. */
static int
next_tag(const Reader *reader)
{
	return reader->length == 0 ? 0 : reader->bytes[0];
}

static void
take_value(Reader *reader, const ExtraField *field, Operation *operation)
{
	void *value = (char *) operation + field->offset;

	switch (field->type)
	{
		case EXTRA_BYTE:
			*(uint8_t *) value = take_byte(reader);
			break;
		case EXTRA_FLAG:
			*(bool *) value = true;
			break;
		case EXTRA_AMOUNT:
			*(Amount *) value = take_amount(reader);
			break;
		default:
			*(int64_t *) value = take_number(reader);
			break;
	}
	if (!extra_field_is_set(field, operation))
		break_off(reader);
}

static void
take_fields(Reader *reader, const ExtraField *fields, int count, Operation *operation)
{
	for (int i = 0; i < count; i++)
	{
		if (next_tag(reader) != fields[i].tag)
			continue;
		(void) take_byte(reader);
		take_value(reader, &fields[i], operation);
	}
}

static Share
take_share(Reader *reader)
{
	Share share = {.destination_wallet_id = take_number(reader), .amount = AMOUNT_NONE};

	switch (take_byte(reader))
	{
		case SHARE_AMOUNT:
			share.amount = take_amount(reader);
			break;
		case SHARE_PARTS:
			share.has_parts = true;
			share.parts_per_million = take_number(reader);
			break;
		case SHARE_REST:
			share.is_rest = true;
			break;
		default:
			break_off(reader);
			break;
	}
	return share;
}

/* The shares of a leg come after those of the legs before it. */
static void
take_shares(Reader *reader, Operation *leg, Parts *parts, int *share_count)
{
	int count;

	if (next_tag(reader) != EXTRA_SHARES)
		return;
	(void) take_byte(reader);
	count = take_count(reader, parts->share_count - *share_count);
	leg->parts = parts;
	leg->share_first = *share_count;
	leg->share_count = count;
	for (int i = 0; i < count; i++)
		parts->shares[(*share_count)++] = take_share(reader);
}

static void
take_leg(Reader *reader, Operation *leg, Parts *parts, int *share_count)
{
	uint64_t kind = take_size(reader);

	*leg = (Operation){.amount = AMOUNT_NONE, .max_capture = AMOUNT_NONE};
	if (kind >= KIND_END || !kind_is_known((int) kind))
	{
		break_off(reader);
		return;
	}
	leg->kind = (RequestKind) kind;
	take_fields(reader, extra_fields, extra_field_count, leg);
	take_fields(reader, extra_leg_fields, extra_leg_field_count, leg);
	take_shares(reader, leg, parts, share_count);
}

/* The numbers of legs and of shares that stand at the beginning of the legs. */
static void
take_counts(Reader *reader, int *leg_count, int *share_count)
{
	uint64_t shares;

	*leg_count = take_count(reader, LEGS_MAX);
	shares = take_size(reader);
	if (shares > LEGS_MAX)
		break_off(reader);
	*share_count = reader->is_broken ? 0 : (int) shares;
}

static void
take_legs(Reader *reader, Operation *request, void *block)
{
	int leg_count;
	int share_count;
	int shares_taken = 0;

	(void) take_byte(reader);
	take_counts(reader, &leg_count, &share_count);
	if (reader->is_broken)
		return;
	request->parts = parts_init(block, leg_count, share_count);
	for (int i = 0; i < leg_count && !reader->is_broken; i++)
	{
		uint64_t length = take_size(reader);
		Reader leg = {reader->bytes, length, false};

		if (length > reader->length)
		{
			break_off(reader);
			return;
		}
		take_leg(&leg, &request->parts->legs[i], request->parts, &shares_taken);
		reader->bytes += length;
		reader->length -= length;
		if (leg.is_broken || leg.length > 0)
			break_off(reader);
	}
	if (shares_taken != share_count)
		break_off(reader);
}

/* Takes the fields before the legs. */
static void
take_head(Reader *reader, Operation *request)
{
	take_fields(reader, extra_fields, extra_field_count, request);
	if (next_tag(reader) != EXTRA_HANDSHAKE)
		return;
	(void) take_byte(reader);
	if (request->link_id != 0)
		break_off(reader);
	request->has_handshake = true;
	for (int i = 0; i < HANDSHAKE_SIZE; i++)
		request->hold_handshake[i] = take_byte(reader);
}

bool
extra_block_size(const unsigned char *bytes, size_t length, size_t *size)
{
	Reader reader = {bytes, length, false};
	Operation ignored = {0};
	int leg_count;
	int share_count;

	*size = 0;
	take_head(&reader, &ignored);
	if (reader.is_broken || next_tag(&reader) != EXTRA_LEGS)
		return !reader.is_broken && reader.length == 0;
	(void) take_byte(&reader);
	take_counts(&reader, &leg_count, &share_count);
	if (!reader.is_broken)
		*size = parts_size(leg_count, share_count);
	return !reader.is_broken;
}

bool
extra_unpack(const unsigned char *bytes, size_t length, Operation *request, void *block)
{
	Reader reader = {bytes, length, false};

	take_head(&reader, request);
	if (next_tag(&reader) == EXTRA_LEGS)
	{
		if (request->kind == KIND_GROUP)
			take_legs(&reader, request, block);
		else
			break_off(&reader);
	}
	return !reader.is_broken && reader.length == 0 &&
	       (request->kind != KIND_GROUP || request->parts != NULL);
}
