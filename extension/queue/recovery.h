/*
 * recovery.h
 *		What follows when a round has failed.
 */
#ifndef PG_WALLET_RECOVERY_H
#define PG_WALLET_RECOVERY_H

#include "base/version.h"

typedef struct Queue Queue;

/* How the caller goes on after an error in queue_round. */
typedef enum Recovery
{
	RECOVERY_AT_ONCE, /* a smaller batch, or the culprit alone, comes next */
	RECOVERY_SHORTLY, /* it may have been a race: try the same again after a moment */
	RECOVERY_LATER    /* nothing succeeds, or somebody has stopped it: pause */
} Recovery;

extern Recovery queue_failed(Queue *queue, const ErrorData *error);

/* Has this error, in queue_round, been said already? */
extern bool queue_error_is_known(const Queue *queue, const ErrorData *error);

#endif /* PG_WALLET_RECOVERY_H */
