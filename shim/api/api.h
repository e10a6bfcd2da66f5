/*
 * api.h
 *		The wallet's requests: what an event loop's HTTP side does with them.
 */
#ifndef WALLET_SHIM_API_H
#define WALLET_SHIM_API_H

#include "api/request.h"

/* The handler of an Http whose context is an Api. */
extern const HttpHandler api_handler;

/* Makes the Api of a loop before its databases; NULL: no memory. */
Api *api_create(const ApiConfig *config, Db *const dbs[DB_ROLE_COUNT]);

/* Called at the end of each round of the loop: writes what the access log has gathered. */
void api_end_round(Api *api);

/* Frees an Api, or NULL, whose Http is destroyed. */
void api_destroy(Api *api);

#endif /* WALLET_SHIM_API_H */
