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
	RECOVERY_AT_ONCE, /* the next round comes at once, with a smaller batch or one request */
	RECOVERY_SHORTLY, /* the next round tries the same batch, after a pause */
	RECOVERY_LATER    /* no request can be posted, or the round was cancelled: pause */
} Recovery;

/* Takes the round back after an error in queue_round, and decides what comes next. */
extern Recovery queue_failed(Queue *queue, const ErrorData *error);

/* Whether this error of queue_round was reported already. */
extern bool queue_error_is_known(const Queue *queue, const ErrorData *error);

#endif /* PG_WALLET_RECOVERY_H */
