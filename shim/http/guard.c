/*
 * guard.c
 *		Header fields: framing (RFC 9112, section 6.3), media type and coding, key, preference.
 */
#include "http/guard.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define PREFERENCE_S_MAX 86400

/* Content-Length = 1*DIGIT, and nothing else. */
static void
read_content_length(RequestHead *head, const char *value)
{
	size_t length = strspn(value, "0123456789");

	head->length_count++;
	head->length_valid = length > 0 && length < 19 && value[length] == '\0';
	if (head->length_valid)
		head->content_length = strtoull(value, NULL, 10);
}

/* The number of a preference NAME=N that stands at the start of a text; -1: another one does. */
static int
preference_number(const char *text, const char *name)
{
	size_t length = strlen(name);
	unsigned long seconds;

	if (strncasecmp(text, name, length) != 0)
		return -1;
	text += length + strspn(text + length, " \t");
	if (*text != '=')
		return -1;
	text += 1 + strspn(text + 1, " \t\"");
	if (*text < '0' || *text > '9')
		return -1;
	seconds = strtoul(text, NULL, 10);
	return seconds < PREFERENCE_S_MAX ? (int) seconds : PREFERENCE_S_MAX;
}

/* The first of each preference of Prefer (RFC 7240); what is not understood is passed over. */
static void
read_prefer(RequestHead *head, const char *value)
{
	while (*value != '\0')
	{
		value += strspn(value, ", \t");
		if (head->wait_s < 0)
			head->wait_s = preference_number(value, "wait");
		if (head->staleness_s < 0)
			head->staleness_s = preference_number(value, "max-staleness");
		value += strcspn(value, ",");
	}
}

/* Whether a Content-Encoding, a list, has anything but identity. */
static bool
is_coding(const char *value)
{
	while (*value != '\0')
	{
		size_t length = strcspn(value, ", \t");

		if (length > 0 && (length != strlen("identity") ||
		                   strncasecmp(value, "identity", strlen("identity")) != 0))
			return true;
		value += length;
		value += strspn(value, ", \t");
	}
	return false;
}

static bool
is_token(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char) *c) && strchr("-_!#$%&'*+.^`|~", *c) == NULL)
			return false;
	return *name != '\0';
}

/* What ends a line or a string for somebody: RFC 9110, section 5.5. */
static bool
has_line_end(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (value[i] == '\0' || value[i] == '\r' || value[i] == '\n')
			return true;
	return false;
}

/*
 * libmicrohttpd before 1.0 takes a bare LF or CR for a line's end, and joins a
 * line to the one before that begins with a blank.  Its strings are pieces of
 * the buffer that it reads to, where CR and LF have become NULs: so each field
 * begins two bytes behind the end of the line before it, or a line did not end
 * in CRLF.  Later versions are told to be strict.
 */
static void
check_line(RequestHead *head, const char *name, const char *value, size_t size)
{
	if (MHD_VERSION >= 0x01000000)
		return;
	if (name != head->line_end + 2)
		head->malformed_lines = true;
	head->line_end = value + size;
}

/* Fields that are counted, and whose last value is kept as it is. */
static const struct
{
	const char *name;
	size_t count;
	size_t value;
} kept_fields[] = {
    {"Host", offsetof(RequestHead, host_count), offsetof(RequestHead, host)},
    {"Content-Type", offsetof(RequestHead, type_count), offsetof(RequestHead, content_type)},
    {"Origin", offsetof(RequestHead, origin_count), offsetof(RequestHead, origin)},
    {"Sec-Fetch-Site", offsetof(RequestHead, site_count), offsetof(RequestHead, site)},
    {"Idempotency-Key", offsetof(RequestHead, key_count), offsetof(RequestHead, key_value)},
    {"X-Wallet-Position", offsetof(RequestHead, position_count), offsetof(RequestHead, position)},
    {"Authorization", offsetof(RequestHead, authorization_count),
     offsetof(RequestHead, authorization)},
    {"X-Request-Id", offsetof(RequestHead, request_id_count), offsetof(RequestHead, request_id)},
    {"traceparent", offsetof(RequestHead, trace_count), offsetof(RequestHead, trace)}};

/* Keeps a field of that list; false when it is none. */
static bool
keep_field(RequestHead *head, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(kept_fields) / sizeof(kept_fields[0]); i++)
	{
		/* Nearly all names differ in their first letter already, whatever its case. */
		if (((name[0] ^ kept_fields[i].name[0]) & ~0x20) != 0 ||
		    strcasecmp(name, kept_fields[i].name) != 0)
			continue;
		++*(int *) (void *) ((char *) head + kept_fields[i].count);
		*(const char **) (void *) ((char *) head + kept_fields[i].value) = value;
		return true;
	}
	return false;
}

static enum MHD_Result
read_field(void *argument, enum MHD_ValueKind kind, const char *name, size_t name_size,
           const char *value, size_t value_size)
{
	RequestHead *head = argument;

	(void) kind;
	check_line(head, name, value, value_size);
	if (value == NULL)
		value = "";
	if (strlen(name) != name_size || has_line_end(value, value_size))
		head->malformed_value = true;
	if (!is_token(name))
		head->malformed_name = true;
	else if (keep_field(head, name, value))
		return MHD_YES;
	else if (strcasecmp(name, "Content-Length") == 0)
		read_content_length(head, value);
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
	{
		head->encoding_count++;
		head->chunked = strcasecmp(value, "chunked") == 0;
	}
	else if (strcasecmp(name, "Content-Encoding") == 0)
		head->is_coded = head->is_coded || is_coding(value);
	else if (strcasecmp(name, "Prefer") == 0)
		read_prefer(head, value);
	else if (strcasecmp(name, "Expect") == 0)
		head->expects_continue = strcasecmp(value, "100-continue") == 0;
	return MHD_YES;
}

WalletCode
guard_framing(struct MHD_Connection *connection, const RequestLine *line, RequestHead *head,
              char message[MESSAGE_SIZE])
{
	bool is_1_1 = strcmp(line->version, MHD_HTTP_VERSION_1_0) != 0;
	const char *wrong = NULL;

	assert(line->method != NULL && line->target != NULL);
	memset(head, 0, sizeof(*head));
	head->wait_s = -1;
	head->staleness_s = -1;
	head->line_end = line->version + strlen(line->version);
	if (MHD_VERSION < 0x01000000 && (line->target != line->method + strlen(line->method) + 1 ||
	                                 line->version != line->target + line->target_length + 1))
		head->malformed_lines = true;
	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_field, head);
	/* The last one is followed by its own line's end. */
	if (MHD_VERSION < 0x01000000 && (head->line_end[0] != '\0' || head->line_end[1] != '\0'))
		head->malformed_lines = true;
	if (!is_token(line->method) || !line->target_valid)
		wrong = "the request line is malformed";
	else if (head->malformed_lines)
		wrong = "a line is malformed: each must end in CRLF, and have no NUL";
	else if (head->malformed_value)
		wrong = "a header field has a CR, LF or NUL";
	else if (head->malformed_name)
		wrong = "a header field's name is malformed";
	else if (head->host_count > 1 || (is_1_1 && head->host_count == 0))
		wrong = "there must be exactly one Host";
	else if (head->encoding_count > 0 && head->length_count > 0)
		wrong = "Transfer-Encoding and Content-Length exclude each other";
	else if (head->length_count > 1)
		wrong = "there must be at most one Content-Length";
	else if (head->length_count == 1 && !head->length_valid)
		wrong = "Content-Length must be a number";
	else if (head->encoding_count > 1 || (head->encoding_count == 1 && (!head->chunked || !is_1_1)))
		wrong = "the only Transfer-Encoding is chunked";
	if (wrong == NULL)
		return CODE_OK;
	snprintf(message, MESSAGE_SIZE, "%s", wrong);
	return CODE_BAD_REQUEST;
}

/* Whether a media type, without its parameters, is one under which JSON may come. */
static bool
is_json_type(const char *type, size_t length)
{
	/*
	 * curl -d sends the second one unless it is told otherwise; the body is read as JSON in any
	 * case
	 */
	static const char *const names[] = {"application/json", "application/x-www-form-urlencoded"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && strncasecmp(type, names[i], length) == 0)
			return true;
	return length > strlen("application/+json") && strncasecmp(type, "application/", 12) == 0 &&
	       strncasecmp(type + length - 5, "+json", 5) == 0;
}

/* Whether a value of charset, of which length bytes count, names UTF-8 or a part of it. */
static bool
is_utf8_name(const char *value, size_t length)
{
	static const char *const names[] = {"utf-8", "utf8", "us-ascii"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && strncasecmp(value, names[i], length) == 0)
			return true;
	return false;
}

/* The length of a quoted string up to its closing quote, which a backslash may stand before. */
static size_t
quoted_length(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0' && text[length] != '"')
		length += text[length] == '\\' && text[length + 1] != '\0' ? 2 : 1;
	return length;
}

/* Whether the parameters of a media type name another character set than UTF-8. */
static bool
has_other_charset(const char *parameters)
{
	while (*parameters != '\0')
	{
		size_t name_length;
		size_t length;
		bool is_charset;

		parameters += strspn(parameters, "; \t");
		name_length = strcspn(parameters, "=; \t");
		is_charset = name_length == 7 && strncasecmp(parameters, "charset", 7) == 0;
		parameters += name_length;
		parameters += strspn(parameters, "= \t");
		if (*parameters == '"')
			length = quoted_length(++parameters);
		else
			length = strcspn(parameters, "; \t");
		if (is_charset && !is_utf8_name(parameters, length))
			return true;
		parameters += length;
		parameters += *parameters == '"';
	}
	return false;
}

WalletCode
guard_media_type(const RequestHead *head, Remedy *remedy, char message[MESSAGE_SIZE])
{
	const char *type = head->content_type ? head->content_type : "application/json";
	size_t length = strcspn(type, "; \t");
	const char *wrong = NULL;

	*remedy = (Remedy){0};
	if (head->type_count > 1)
	{
		snprintf(message, MESSAGE_SIZE, "there must be at most one Content-Type");
		return CODE_BAD_REQUEST;
	}
	if (head->is_coded)
	{
		*remedy = (Remedy){MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity"};
		wrong = "the body must not be compressed: Content-Encoding may only be identity";
	}
	else if (!is_json_type(type, length))
	{
		*remedy = (Remedy){MHD_HTTP_HEADER_ACCEPT, "application/json"};
		wrong = wallet_codes[CODE_UNSUPPORTED_MEDIA_TYPE].message;
	}
	else if (has_other_charset(type + length))
	{
		*remedy = (Remedy){MHD_HTTP_HEADER_ACCEPT, "application/json"};
		wrong = "the body must be encoded in UTF-8: the charset of its Content-Type is another one";
	}
	if (wrong == NULL)
		return CODE_OK;
	snprintf(message, MESSAGE_SIZE, "%s", wrong);
	return CODE_UNSUPPORTED_MEDIA_TYPE;
}

WalletCode
guard_idempotency_key(RequestHead *head, size_t length_max, char message[MESSAGE_SIZE])
{
	const char *key = head->key_value;
	size_t length;
	bool valid;

	assert(length_max <= IDEMPOTENCY_KEY_LENGTH_MAX);
	if (head->key_count == 0)
		return CODE_OK;
	if (head->key_count > 1)
	{
		snprintf(message, MESSAGE_SIZE, "there must be at most one Idempotency-Key");
		return CODE_BAD_REQUEST;
	}
	length = strlen(key);
	if (length >= 2 && key[0] == '"' && key[length - 1] == '"')
	{
		key++;
		length -= 2;
	}
	valid = length >= 1 && length <= length_max && utf8_valid(key, length);
	for (size_t i = 0; valid && i < length; i++)
		valid = (unsigned char) key[i] > ' ' && key[i] != 127;
	if (!valid)
	{
		snprintf(message, MESSAGE_SIZE,
		         "an idempotency key must have 1 to %zu visible bytes, without spaces", length_max);
		return CODE_INVALID_IDEMPOTENCY_KEY;
	}
	memcpy(head->idempotency_key, key, length);
	head->idempotency_key[length] = '\0';
	return CODE_OK;
}
