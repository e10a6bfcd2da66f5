/*
 * routes.h
 *		What each path means: from a request to an item for the database.
 */
#ifndef WALLET_SHIM_ROUTES_H
#define WALLET_SHIM_ROUTES_H

#include "api/request.h"

/* Finds the route of a request's path, and how large its body may be. */
void routes_find(Request *request);

/*
 * Whether a request may come in from where it comes: without API keys none of a foreign web page
 * does.  Otherwise the reply is the refusal.
 */
bool routes_admit(Request *request);

/*
 * Looks at the head, before the body: method, media type, keys.  Afterwards there may be a reply,
 * or the request waits for what the database says of its API key.
 */
void routes_begin(Request *request);

/* Carries out a request that is all there: there is a reply afterwards, or the request waits. */
void routes_start(Request *request);

/* The number of a request's route, from 0 on, or -1; how many routes there are; the path of one. */
int routes_number(const Request *request);
int routes_count(void);
const char *routes_path(int number);

#endif /* WALLET_SHIM_ROUTES_H */
