/*
 * access.h
 *		The access log: a line of JSON for each request, on stdout.
 *
 * Nothing secret is in a line: no path that a client has made up, no member, no amount, no key.
 */
#ifndef WALLET_SHIM_ACCESS_H
#define WALLET_SHIM_ACCESS_H

#include "api/request.h"

/* Adds the line of a request that has ended; route is its path as the documentation has it. */
void access_add(Buffer *lines, Request *request, const char *route);

/* Writes the lines, and empties the buffer. */
void access_write(Buffer *lines);

#endif /* WALLET_SHIM_ACCESS_H */
