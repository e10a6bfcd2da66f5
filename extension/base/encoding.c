/*
 * encoding.c
 *		Texts in UTF-8, as HTTP has them, in a database of any encoding.
 *
 * PostgreSQL converts the parameters of a statement when it reads them.  When one parameter cannot
 * be converted, the whole statement fails, with the requests of all clients in it.  So texts of
 * clients come as bytea, and are converted here one by one.
 */
#include "base/encoding.h"

#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"

/* Converts a text; NULL when one of its characters does not exist in the other encoding. */
static char *
convert(const char *text, int length, int from, int to)
{
	Oid converter = FindDefaultConversion(PG_CATALOG_NAMESPACE, from, to);
	Size size = (Size) length * MAX_CONVERSION_GROWTH + 1;
	unsigned char *converted;

	if (!OidIsValid(converter))
		return NULL;
	converted = palloc(size);
	if (pg_do_encoding_conversion_buf(converter, from, to, (unsigned char *) text, length,
	                                  converted, size, true) == length)
		return (char *) converted;
	pfree(converted);
	return NULL;
}

static bool
is_ascii(const char *text, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	}
	return true;
}

bool
utf8_is_valid(const char *text, int length)
{
	return pg_verify_mbstr(PG_UTF8, text, length, true);
}

/*
 * Some conversions turn two different characters into one.  Two different texts must not become
 * equal, so a text that is not the same after a conversion back is not convertible.
 */
char *
utf8_to_database(const char *text, int length)
{
	int encoding = GetDatabaseEncoding();
	char *converted;
	char *back;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII || is_ascii(text, length))
		return pnstrdup(text, length);
	converted = convert(text, length, PG_UTF8, encoding);
	back = converted == NULL ? NULL : convert(converted, strlen(converted), encoding, PG_UTF8);
	if (back == NULL || strlen(back) != (size_t) length || memcmp(back, text, length) != 0)
		return NULL;
	pfree(back);
	return converted;
}

char *
utf8_to_database_lossy(const char *text, int length)
{
	char *converted = utf8_to_database(text, length);

	if (converted != NULL)
		return converted;
	converted = palloc(length + 1);
	length = 0;
	for (const char *c = text; *c != '\0'; c += pg_encoding_mblen(PG_UTF8, c))
		converted[length++] = IS_HIGHBIT_SET(*c) ? '?' : *c;
	converted[length] = '\0';
	return converted;
}
