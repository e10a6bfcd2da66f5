/*
 * reading.c
 *		Words of a line as an operation, by the members of its kind.
 */
#include "reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
next_word(void)
{
	return strtok(NULL, " \n");
}

const char *
needed_word(void)
{
	const char *word = next_word();

	if (word == NULL)
		fail("a line is too short");
	return word;
}

int64_t
read_number(const char *word)
{
	return word[0] == '$' ? id_of_name(word + 1) : strtoll(word, NULL, 10);
}

static int64_t
read_moment(const char *word)
{
	return strcmp(word, "infinity") == 0 ? NO_END : now + strtoll(word, NULL, 10);
}

WalletCode
read_amount(const char *word, Amount *amount)
{
	return amount_parse(word, strlen(word), amount);
}

static uint8_t
place_of(const char *word, const char *const *list, int count)
{
	int i = 0;

	while (i < count && strcmp(word, list[i]) != 0)
		i++;
	return (uint8_t) i;
}

/* Reads a member's value; returns the code that the payload's reader would give. */
static WalletCode
read_member(Operation *operation, const KindMember *member, const char *word)
{
	void *value = (char *) operation + member->offset;

	switch (member->type)
	{
		case TYPE_ID:
		case TYPE_USER:
			*(int64_t *) value = read_number(word);
			return CODE_OK;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			return read_amount(word, value);
		case TYPE_CURRENCY:
			snprintf(value, sizeof(operation->currency), "%s", word);
			return CODE_OK;
		case TYPE_TIME:
		case TYPE_DEADLINE:
			*(int64_t *) value = read_moment(word);
			return CODE_OK;
		case TYPE_INTERVAL:
			*(int64_t *) value = strtoll(word, NULL, 10);
			return *(int64_t *) value > 0 ? CODE_OK : CODE_INVALID_EXPIRY;
		case TYPE_FLAG:
		case TYPE_NEGATED_FLAG:
			*(bool *) value = (word[0] == '1') == (member->type == TYPE_FLAG);
			return CODE_OK;
		case TYPE_AMOUNT_MODE:
			*(uint8_t *) value = place_of(word, amount_mode_names, MODE_COUNT);
			return CODE_OK;
		case TYPE_SHORTFALL:
			*(uint8_t *) value = place_of(word, shortfall_names, SHORTFALL_COUNT);
			return CODE_OK;
		default:
			fail("a member has a type that this program does not know");
			return CODE_INTERNAL_ERROR;
	}
}

/* A share of a split: WALLET:rest, WALLET:Nppm or WALLET:AMOUNT. */
static WalletCode
read_share(Share *share, char *word)
{
	char *colon = strchr(word, ':');
	size_t length = strlen(colon);

	*colon = '\0';
	*share = (Share){.destination_wallet_id = read_number(word), .amount = AMOUNT_NONE};
	if (strcmp(colon + 1, "rest") == 0)
		share->is_rest = true;
	else if (length > 3 && strcmp(colon + length - 3, "ppm") == 0)
	{
		share->has_parts = true;
		share->parts_per_million = strtoll(colon + 1, NULL, 10);
	}
	else
		return read_amount(colon + 1, &share->amount);
	return CODE_OK;
}

static const KindMember *
find_member(RequestKind kind, const char *name)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (strcmp(info->members[i].name, name) == 0)
			return &info->members[i];
	}
	/* A leg of kind transaction may say amount for trans_sum. */
	if (kind == KIND_TRANSACTION && strcmp(name, "amount") == 0)
		return find_member(kind, "trans_sum");
	fprintf(stderr, "%s: ", name);
	fail("no such member");
	return NULL;
}

/* Reads a kind and its members; the shares of a split are added to parts. */
WalletCode
read_operation(Operation *operation, Asked *asked, Parts *parts)
{
	const char *kind = needed_word();
	char *word;
	WalletCode code = CODE_OK;

	*operation = (Operation){.amount = AMOUNT_NONE, .max_capture = AMOUNT_NONE};
	if (!kind_from_name(kind, &operation->kind))
		fail("no such kind");
	if (operation->kind == KIND_WALLET)
	{
		operation->amount = (Amount){0, 0};
		strcpy(operation->currency, "usd");
	}
	while ((word = strtok(NULL, " \n")) != NULL)
	{
		char *value = strchr(word, '=');
		WalletCode read = CODE_OK;

		*value++ = '\0';
		if (strcmp(word, "name") == 0)
			asked->name = value;
		else if (strcmp(word, "dry") == 0)
			asked->is_dry = true;
		else if (strcmp(word, "legs") == 0)
			asked->legs = atoi(value);
		else if (strcmp(word, "may_reverse") == 0)
			operation->may_reverse = true;
		else if (strcmp(word, "most") == 0)
			read = read_amount(value, &operation->max_amount);
		else if (strcmp(word, "share") == 0)
		{
			if (operation->share_count++ == 0)
				operation->share_first = parts->share_count;
			operation->parts = parts;
			read = read_share(&parts->shares[parts->share_count++], value);
		}
		else
			read = read_member(operation, find_member(operation->kind, word), value);
		code = code == CODE_OK ? read : code;
	}
	return code;
}
