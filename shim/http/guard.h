/*
 * guard.h
 *		Reads a request's header fields once, and refuses those that two
 *		programs could understand in two ways.
 *
 * libmicrohttpd 0.9.75 takes Transfer-Encoding together with Content-Length,
 * Content-Length twice, and Host twice.  Behind a proxy that reads them the
 * other way a client could smuggle a request, so the connection is closed.
 */
#ifndef WALLET_SHIM_GUARD_H
#define WALLET_SHIM_GUARD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codes.h"
#include "http/line.h"

#define IDEMPOTENCY_KEY_LENGTH_MAX 255

typedef struct RequestHead
{
	int host_count;
	int length_count;
	int encoding_count;
	int key_count;
	int authorization_count;
	int type_count;
	int origin_count;
	int site_count;
	bool malformed_name;
	bool malformed_value; /* CR, LF or NUL */
	const char *line_end; /* where the previous line ended; NULL when that is not known */
	bool malformed_lines; /* not all lines end in CRLF, or one goes on in the next */
	bool chunked;
	bool expects_continue;
	bool length_valid;
	uint64_t content_length;
	const char *content_type;
	bool is_coded;    /* a Content-Encoding other than identity */
	const char *host; /* NULL: there is none */
	const char *origin;
	const char *site; /* Sec-Fetch-Site */
	const char *key_value;
	int request_id_count;
	int trace_count;
	const char *request_id;    /* X-Request-Id */
	const char *trace;         /* traceparent */
	const char *authorization; /* never to be logged or sent */
	int wait_s;                /* from Prefer: wait=N; -1 when it was not asked for */
	int staleness_s;           /* from Prefer: max-staleness=N; -1 when it was not asked for */
	int position_count;
	const char *position; /* X-Wallet-Position */
	char idempotency_key[IDEMPOTENCY_KEY_LENGTH_MAX + 1];
} RequestHead;

/*
 * Fills head from the header fields.  CODE_BAD_REQUEST when the framing is
 * ambiguous: answer, and close the connection.
 */
WalletCode guard_framing(struct MHD_Connection *connection, const RequestLine *line,
                         RequestHead *head, char message[MESSAGE_SIZE]);

/* What an answer says of the bodies that are taken; NULL where there is nothing to say. */
typedef struct Remedy
{
	const char *field;
	const char *value;
} Remedy;

/*
 * Whether the body may be read: its media type is JSON, curl's default, or missing; its
 * characters are UTF-8; it is not compressed.  With CODE_UNSUPPORTED_MEDIA_TYPE remedy is a
 * field for the answer that says what is taken (RFC 9110, section 15.5.16).
 */
WalletCode guard_media_type(const RequestHead *head, Remedy *remedy, char message[MESSAGE_SIZE]);

/*
 * Checks the Idempotency-Key, if there is one, and unwraps it into
 * head->idempotency_key; it may have length_max bytes.
 */
WalletCode guard_idempotency_key(RequestHead *head, size_t length_max, char message[MESSAGE_SIZE]);

#endif /* WALLET_SHIM_GUARD_H */
