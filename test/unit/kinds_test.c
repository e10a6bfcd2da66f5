/*
 * kinds_test.c
 *		The table of kinds, without a server, as TAP: nothing here names a kind, so that a new kind
 *		is tested by being in the table.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/kinds.h"
#include "rules/fingerprint.h"
#include "rules/operation.h"

#include "check.h"

/* The bytes of an operation, in memory that ends where the largest operation ends. */
typedef struct Sample
{
	unsigned char *bytes;
	size_t length;
} Sample;

static Sample
operation_of(const Request *request)
{
	Sample operation = {.bytes = malloc(OPERATION_BYTES_MAX)};

	operation.length = operation_to_bytes(request, operation.bytes);
	return operation;
}

static bool
is_same(const Request *a, const Request *b)
{
	Sample left = operation_of(a);
	Sample right = operation_of(b);
	bool same = left.length == right.length && memcmp(left.bytes, right.bytes, left.length) == 0;

	free(left.bytes);
	free(right.bytes);
	return same;
}

/* Gives a member a value; another number is another value. */
static void
set_member(Request *request, const KindMember *member, int number)
{
	void *value = (char *) request + member->offset;

	switch (member->type)
	{
		case TYPE_ID:
		case TYPE_USER:
		case TYPE_TIME:
		case TYPE_DEADLINE:
		case TYPE_INTERVAL:
			*(int64_t *) value = INT64_MAX - number;
			break;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			*(Amount *) value = (Amount){INT64_MAX - 7 * number, 8}; /* ends in 7 or 0 */
			break;
		case TYPE_CURRENCY:
			snprintf(value, 4, "%c%c%c", 'a' + number / 676 % 26, 'a' + number / 26 % 26,
			         'a' + number % 26);
			break;
		case TYPE_FLAG:
		case TYPE_NEGATED_FLAG:
			*(bool *) value = number != 100;
			break;
		case TYPE_AMOUNT_MODE:
		case TYPE_SHORTFALL:
			*(uint8_t *) value = number == 100 ? 1 : 2;
			break;
		case TYPE_HANDSHAKE:
			memset(value, number, HANDSHAKE_SIZE);
			break;
		case TYPE_LEGS:
		case TYPE_SPLIT:
			break;
		default:
			ok(false, "member %s has a type that this test does not know", member->name);
	}
}

/* A request with all members of its kind, each with a value that no other member has. */
static Request
full_request(RequestKind kind)
{
	const KindInfo *info = &kind_infos[kind];
	Request request = {.kind = kind};

	for (int i = 0; i < info->member_count; i++)
		set_member(&request, &info->members[i], i + 1);
	return request;
}

static void
clear_member(Request *request, const KindMember *member)
{
	static const size_t sizes[TYPE_COUNT] = {
	    [TYPE_ID] = sizeof(int64_t),
	    [TYPE_AMOUNT] = sizeof(Amount),
	    [TYPE_AMOUNT_OR_ZERO] = sizeof(Amount),
	    [TYPE_CURRENCY] = 4,
	    [TYPE_USER] = sizeof(int64_t),
	    [TYPE_TIME] = sizeof(int64_t),
	    [TYPE_INTERVAL] = sizeof(int64_t),
	    [TYPE_FLAG] = sizeof(bool),
	    [TYPE_NEGATED_FLAG] = sizeof(bool),
	    [TYPE_AMOUNT_MODE] = sizeof(uint8_t),
	    [TYPE_SHORTFALL] = sizeof(uint8_t),
	    [TYPE_HANDSHAKE] = HANDSHAKE_SIZE,
	};

	memset((char *) request + member->offset, 0, sizes[member->type]);
}

/* A deadline is no part of what is asked for; parts are tried by themselves. */
static bool
is_asked_for(MemberType type)
{
	return type != TYPE_DEADLINE && type != TYPE_LEGS && type != TYPE_SPLIT;
}

/* The key of one operation never stands for another one. */
static void
test_operations(RequestKind kind)
{
	const KindInfo *info = &kind_infos[kind];
	const Request full = full_request(kind);
	Request same = full;

	same.request_id = 77;
	ok(is_same(&full, &same), "%s: asked twice, it is the same", info->name);
	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];
		Request other = full;

		if (!is_asked_for(member->type))
			continue;
		set_member(&other, member, 100);
		ok(!is_same(&full, &other), "%s: another %s is another operation", info->name,
		   member->name);
		clear_member(&other, member);
		ok(!is_same(&full, &other), "%s: so is one without %s", info->name, member->name);
		for (int j = 0; j < i; j++)
		{
			if (info->members[j].type != member->type || member->type == TYPE_FLAG)
				continue;
			other = full;
			set_member(&other, &info->members[j], i + 1);
			set_member(&other, member, j + 1);
			ok(!is_same(&full, &other), "%s: so is one with %s and %s exchanged", info->name,
			   info->members[j].name, member->name);
		}
	}
	for (int i = 0; i < KIND_COUNT; i++)
	{
		Request other = full;

		other.kind = all_kinds[i];
		ok(is_same(&full, &other) == (all_kinds[i] == kind), "%s: compared with a %s", info->name,
		   kind_name(all_kinds[i]));
	}
}

/* Zeros at the end of the decimals say nothing. */
static void
test_amounts(RequestKind kind)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		Request short_form = full_request(kind);
		Request long_form = short_form;
		Amount *amounts[2] = {(Amount *) ((char *) &short_form + info->members[i].offset),
		                      (Amount *) ((char *) &long_form + info->members[i].offset)};

		if (info->members[i].type != TYPE_AMOUNT && info->members[i].type != TYPE_AMOUNT_OR_ZERO)
			continue;
		*amounts[0] = (Amount){11, 1};
		*amounts[1] = (Amount){1100, 3};
		ok(is_same(&short_form, &long_form), "%s: %s of 1.1 is 1.100", info->name,
		   info->members[i].name);
		*amounts[1] = (Amount){110, 1};
		ok(!is_same(&short_form, &long_form), "%s: %s of 1.1 is not 11.0", info->name,
		   info->members[i].name);
	}
}

static void
test_bounds(void)
{
	int members_max = 0;
	int transfers_max = 0;
	int end = 0;

	for (int i = 0; i < KIND_COUNT; i++)
	{
		const KindInfo *info = &kind_infos[all_kinds[i]];

		members_max = info->member_count > members_max ? info->member_count : members_max;
		transfers_max = info->transfers_max > transfers_max ? info->transfers_max : transfers_max;
		end = (int) all_kinds[i] >= end ? (int) all_kinds[i] + 1 : end;
		for (int j = 0; j < info->member_count; j++)
			for (int k = 0; k < j; k++)
				ok(strcmp(info->members[j].name, info->members[k].name) != 0 &&
				       info->members[j].offset != info->members[k].offset,
				   "%s: %s is not %s", info->name, info->members[j].name, info->members[k].name);
	}
	ok(members_max == (int) KIND_MEMBERS_MAX, "the kind with the most members has as many as fit");
	ok(transfers_max == (int) KIND_TRANSFERS_MAX, "so has the one with the most transfers");
	ok(end == (int) KIND_END, "so has the largest number");
}

int
main(void)
{
	for (int i = 0; i < KIND_COUNT; i++)
	{
		test_operations(all_kinds[i]);
		test_amounts(all_kinds[i]);
	}
	test_bounds();
	return all_checked();
}
