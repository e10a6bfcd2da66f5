/*
 * limits.h
 *		How many requests a second an API key may make of this process.
 *
 * A key may make as many requests at once as it may make in a second; then they come back evenly.
 * A request that is refused costs nothing.  What is kept is bounded: there is place for 8192 keys
 * with limits that ask within one second.  When there are more, the key whose requests are all back
 * first may be forgotten, and begins anew.
 */
#ifndef WALLET_SHIM_LIMITS_H
#define WALLET_SHIM_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "db/item.h"

/* Takes one request of a key, by the SHA-256 of the key; false: the key has no more in this moment.
 * From any thread. */
bool limits_take(const unsigned char hash[KEY_HASH_SIZE], int requests_per_second, int64_t now_ms);

#endif /* WALLET_SHIM_LIMITS_H */
