/*
 * names.h
 *		What a request is called in logs: its id, and the trace that it belongs to.
 */
#ifndef WALLET_SHIM_NAMES_H
#define WALLET_SHIM_NAMES_H

#include "http/guard.h"
#include "http/http.h"

#define REQUEST_ID_LENGTH_MAX 64
#define TRACE_ID_LENGTH 32

typedef struct RequestNames
{
	char id[REQUEST_ID_LENGTH_MAX + 1]; /* "": none, the answer has no X-Request-Id */
	char trace_id[TRACE_ID_LENGTH + 1]; /* of traceparent; "": none */
} RequestNames;

/*
 * Reads the names of a request whose head is there.  An X-Request-Id of 1 to REQUEST_ID_LENGTH_MAX
 * letters, digits and the like is taken.  Any other, and one that is missing where all requests
 * have one, is made.
 */
void names_read(Http *http, const RequestHead *head, RequestNames *names);

/* Gives a request an id that has none yet. */
void names_make_id(Http *http, RequestNames *names);

#endif /* WALLET_SHIM_NAMES_H */
