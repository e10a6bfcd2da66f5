/*
 * answers.h
 *		From an item's result to the reply, or to another look when a Prefer: wait has time left.
 */
#ifndef WALLET_SHIM_ANSWERS_H
#define WALLET_SHIM_ANSWERS_H

#include "api/request.h"

/* What becomes of the results of each function: each replies, or holds the request. */
void answer_enqueued(Request *request, const DbResult *result);
void answer_looked_up(Request *request, const DbResult *result);
void answer_read(Request *request, const DbResult *result);
void answer_history(Request *request, const DbResult *result);
void answer_holds(Request *request, const DbResult *result);
void answer_dry_run(Request *request, const DbResult *result);
void answer_ready(Request *request, const DbResult *result);

/*
 * Ends the waits of timed requests that are due: asks again for the outcome of a held request,
 * and answers a request whose item the database still has.  While draining, answers all held
 * requests.
 */
void answers_run_timed(Http *http);

/*
 * Answers a held request with what is known: its handshake, or that its idempotency key is in
 * use.
 */
void answers_release(Request *request);

#endif /* WALLET_SHIM_ANSWERS_H */
