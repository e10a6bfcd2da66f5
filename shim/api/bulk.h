/*
 * bulk.h
 *		Many in one request: an array in, an array out.
 */
#ifndef WALLET_SHIM_BULK_H
#define WALLET_SHIM_BULK_H

#include "api/request.h"

#define BULK_BODY_SIZE_MAX (2 * 1024 * 1024)
#define BULK_ITEMS_MAX 8192
#define BULK_KEY_LENGTH_MAX (IDEMPOTENCY_KEY_LENGTH_MAX - 5) /* leaves room for /8191 */

/* Carries out a POST of many; its body is valid UTF-8. */
void bulk_start(Request *request);

/* Carries out a read of many outcomes; its body is valid UTF-8. */
void bulk_read(Request *request);

#endif /* WALLET_SHIM_BULK_H */
