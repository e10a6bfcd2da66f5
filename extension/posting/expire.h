/*
 * expire.h
 *		Expires holds whose end has come, in small steps.
 *
 * Nobody waits for that: a hold that is due counts nowhere, whether or not its expiry has been
 * recorded.  The steps record it.
 */
#ifndef PG_WALLET_EXPIRE_H
#define PG_WALLET_EXPIRE_H

#include "base/version.h"

typedef struct Expirer Expirer;

/* What is known of due holds, in a new memory context below parent. */
extern Expirer *expirer_make(MemoryContext parent);
extern void expirer_free(Expirer *expirer);

/* Milliseconds until a step has something to do; 0: at once. */
extern int expirer_pause_ms(const Expirer *expirer);

/* Whether the last look has found nothing that a step might expire now. */
extern bool expirer_is_idle(const Expirer *expirer);

/*
 * Expires some due holds of wallets that nobody has locked, in the caller's transaction, which has
 * set a snapshot.  The caller tells how that has ended: by expirer_committed() or
 * expirer_failed().
 */
extern void expirer_step(Expirer *expirer);
extern void expirer_committed(Expirer *expirer);
extern void expirer_failed(Expirer *expirer);

#endif /* PG_WALLET_EXPIRE_H */
