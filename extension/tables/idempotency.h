/*
 * idempotency.h
 *		Keys that make a retry harmless.
 */
#ifndef PG_WALLET_IDEMPOTENCY_H
#define PG_WALLET_IDEMPOTENCY_H

#include "base/version.h"

#include "rules/operation.h"

#define FINGERPRINT_SIZE 32

/* A request or a direct call that came with a key. */
typedef struct IdempotentCall
{
	int64 user_id; /* the scope of the key */
	const char *key;
	uint8 fingerprint[FINGERPRINT_SIZE];
	bool is_direct;    /* it makes a transfer at once, and no request */
	int64 request_id;  /* of the request, or 0 */
	int64 transfer_id; /* of the direct call's transfer, or 0 */
	bool repeated;     /* out: the ids are those of an earlier call */
	bool mismatched;   /* out: the key stands for something else */
} IdempotentCall;

/* Is this a key that may be used? */
extern bool idempotency_key_is_valid(const char *key);

/*
 * The fingerprint of the whole operation: every member of the request's kind (rules/fingerprint.h),
 * and extra, which is a direct call's metadata as text or NULL.
 */
extern void idempotency_fingerprint(const Request *request, const char *extra, uint8 *fingerprint);

/* Which of these keys have been used?  There repeated is set, or mismatched. */
extern void idempotency_find(IdempotentCall **calls, int count);

/* Is another open transaction storing this key just now?  Storing it would wait for its end. */
extern bool idempotency_key_is_busy(const IdempotentCall *call);

extern bool idempotency_same_key(const IdempotentCall *a, const IdempotentCall *b);

/* Brings calls with the same key together, there in the order of their request_id. */
extern void idempotency_sort(IdempotentCall **calls, int count);

/*
 * Store the keys, waiting where another open transaction stores the same one.  The calls are
 * sorted, so that two callers never wait for each other in a circle.
 */
extern void idempotency_claim(IdempotentCall **calls, int count);

#endif /* PG_WALLET_IDEMPOTENCY_H */
