/*
 * names.c
 *		What a request is called in logs: its id, and the trace that it belongs to.
 *
 * What a client sends goes to a log and into a header field: so few characters are taken, and none
 * that means anything to a reader of either.
 */
#include "http/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=:"
#define HEX_DIGITS "0123456789abcdef"

void
names_make_id(Http *http, RequestNames *names)
{
	if (http->id_count == 0 &&
	    getrandom(&http->id_start, sizeof(http->id_start), 0) != sizeof(http->id_start))
		http->id_start = (uint64_t) http->now_ms;
	snprintf(names->id, sizeof(names->id), "%016" PRIx64 "%016" PRIx64, http->id_start,
	         ++http->id_count);
}

/* version-trace-parent-flags, of version 0, or of a later one that may have more behind it. */
static bool
is_trace(const char *text)
{
	return strspn(text, HEX_DIGITS) == 2 && text[2] == '-' && strncmp(text, "ff", 2) != 0 &&
	       strspn(text + 3, HEX_DIGITS) == TRACE_ID_LENGTH && text[35] == '-' &&
	       strspn(text + 36, HEX_DIGITS) == 16 && text[52] == '-' &&
	       strspn(text + 53, HEX_DIGITS) == 2 &&
	       (text[55] == '\0' || (text[55] == '-' && strncmp(text, "00", 2) != 0)) &&
	       strspn(text + 3, "0") < TRACE_ID_LENGTH && strspn(text + 36, "0") < 16;
}

void
names_read(Http *http, const RequestHead *head, RequestNames *names)
{
	size_t length = head->request_id_count == 1 ? strlen(head->request_id) : 0;

	if (length > 0 && length <= REQUEST_ID_LENGTH_MAX &&
	    strspn(head->request_id, ID_CHARACTERS) == length)
		memcpy(names->id, head->request_id, length + 1);
	else if (http->config.names_requests || head->request_id_count > 0)
		names_make_id(http, names);
	if (head->trace_count == 1 && is_trace(head->trace))
		memcpy(names->trace_id, head->trace + 3, TRACE_ID_LENGTH);
}
