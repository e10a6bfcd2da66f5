/*
 * keys.c
 *		Two tables of keys: those that exist, and those that do not.
 *
 * Keys are compared by their SHA-256 only: how long that takes tells nothing, since nobody can
 * choose a hash.
 */
#include "api/keys.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FRESH_MS 750 /* docs/security.md promises a second; an answer takes the rest */
#define CACHE_SETS 256
#define CACHE_WAYS 4

/* One of CACHE_WAYS places for each first byte of a hash. */
typedef Key KeyTable[CACHE_SETS][CACHE_WAYS];

struct KeyCache
{
	KeyTable known;
	KeyTable unknown;
};

static const struct
{
	const char *name;
	Scope scope;
} scopes[] = {{"read", SCOPE_READ},       {"transfer", SCOPE_TRANSFER},
              {"deposit", SCOPE_DEPOSIT}, {"capture", SCOPE_CAPTURE},
              {"reverse", SCOPE_REVERSE}, {"operator", SCOPE_OPERATOR}};

#define SCOPE_COUNT (sizeof(scopes) / sizeof(scopes[0]))

KeyCache *
keys_create(void)
{
	return calloc(1, sizeof(KeyCache));
}

void
scope_names(unsigned set, char names[SCOPE_NAMES_SIZE])
{
	size_t length = 0;

	names[0] = '\0';
	for (size_t i = 0; i < SCOPE_COUNT; i++)
		if (set & scopes[i].scope)
			length += (size_t) snprintf(names + length, SCOPE_NAMES_SIZE - length, "%s%s",
			                            length > 0 ? " " : "", scopes[i].name);
	assert(length < SCOPE_NAMES_SIZE);
}

static const Key *
table_find(KeyTable *table, const unsigned char *hash, int64_t now_ms)
{
	const Key *set = (*table)[hash[0]];

	for (int i = 0; i < CACHE_WAYS; i++)
		if (now_ms < set[i].fresh_until_ms && memcmp(set[i].hash, hash, KEY_HASH_SIZE) == 0)
			return &set[i];
	return NULL;
}

/* Keeps a key in its own place, or in that of the one checked longest ago. */
static void
table_keep(KeyTable *table, const Key *key)
{
	Key *set = (*table)[key->hash[0]];
	Key *place = &set[0];

	assert(key->checked_at_ms != 0);
	for (int i = 0; i < CACHE_WAYS; i++)
	{
		if (memcmp(set[i].hash, key->hash, KEY_HASH_SIZE) == 0)
		{
			place = &set[i];
			break;
		}
		if (set[i].checked_at_ms < place->checked_at_ms)
			place = &set[i];
	}
	*place = *key;
}

const Key *
keys_find(KeyCache *cache, const unsigned char *hash, int64_t now_ms)
{
	const Key *key = table_find(&cache->known, hash, now_ms);

	assert(now_ms > 0);
	return key ? key : table_find(&cache->unknown, hash, now_ms);
}

static unsigned
read_scopes(const char *names)
{
	unsigned set = 0;

	for (; names != NULL && *names != '\0'; names += strspn(names, " "))
	{
		size_t length = strcspn(names, " ");

		for (size_t i = 0; i < SCOPE_COUNT; i++)
			if (strlen(scopes[i].name) == length && memcmp(scopes[i].name, names, length) == 0)
				set |= scopes[i].scope;
		names += length;
	}
	return set;
}

/*
 * How long an answer is fresh: not longer than the key lasts.  The database says in how many
 * milliseconds the key expires, so that only its own clock counts.
 */
static int64_t
fresh_ms(const char *expires_in_ms)
{
	int64_t left_ms = expires_in_ms ? strtoll(expires_in_ms, NULL, 10) : KEY_FRESH_MS;

	return left_ms < KEY_FRESH_MS ? left_ms : KEY_FRESH_MS;
}

/* Copies a name, cut between two characters where it is too long. */
static void
copy_name(char name[KEY_NAME_SIZE], const char *text)
{
	size_t length = strlen(text);

	if (length >= KEY_NAME_SIZE)
		for (length = KEY_NAME_SIZE - 1; (text[length] & 0xc0) == 0x80; length--)
			;
	memcpy(name, text, length);
	name[length] = '\0';
}

void
keys_keep(KeyCache *cache, Key *key, const DbResult *result)
{
	const char *user_id = db_value(result, 0, KEY_USER_ID);
	const char *max_amount = db_value(result, 0, KEY_MAX_AMOUNT);
	const char *name = db_value(result, 0, KEY_NAME);
	const char *rate = db_value(result, 0, KEY_REQUESTS_PER_SECOND);

	assert(key->checked_at_ms != 0);
	key->scopes = read_scopes(db_value(result, 0, KEY_SCOPES));
	key->user_id = user_id ? strtoll(user_id, NULL, 10) : 0;
	key->requests_per_second = rate ? atoi(rate) : 0;
	copy_name(key->name, name ? name : "");
	snprintf(key->max_amount, sizeof(key->max_amount), "%s", max_amount ? max_amount : "");
	key->fresh_until_ms = key->checked_at_ms + fresh_ms(db_value(result, 0, KEY_EXPIRES_IN_MS));
	table_keep(key->scopes ? &cache->known : &cache->unknown, key);
}
