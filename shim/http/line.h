/*
 * line.h
 *		The first line of a request: its target, taken apart.
 */
#ifndef WALLET_SHIM_LINE_H
#define WALLET_SHIM_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_NAME_MAX_LENGTH 253 /* RFC 1035, section 2.3.4, without the last dot */
#define HOST_TEXT_SIZE (HOST_NAME_MAX_LENGTH + sizeof("[]:65535"))
#define PATH_SIZE 64 /* longer than any path that is served */

/* The pointers lead into libmicrohttpd's buffer, in which each piece ends in a NUL. */
typedef struct RequestLine
{
	const char *method;
	const char *target;
	size_t target_length;           /* before libmicrohttpd cuts it at its query string */
	bool target_valid;              /* visible ASCII alone, in a form that an origin server takes */
	bool is_absolute;               /* the target names a host */
	char authority[HOST_TEXT_SIZE]; /* this host; "" when there is none, or when it is too long */
	char path[PATH_SIZE];           /* decoded; not ended by a NUL */
	size_t path_length;             /* 0: the path is too long, or not encoded correctly */
	const char *version;
} RequestLine;

/*
 * Reads a target as it was sent, and returns its query string, "" when there is none.  The path has
 * doubled slashes made one, and no slash at its end.
 */
const char *line_read_target(RequestLine *line, const char *target);

#endif /* WALLET_SHIM_LINE_H */
