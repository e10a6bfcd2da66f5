/*
 * answers.h
 *		From an item's result to the reply, and the requests held by Prefer: wait until there is
 *one.
 */
#ifndef WALLET_SHIM_ANSWERS_H
#define WALLET_SHIM_ANSWERS_H

#include "api/request.h"

/* What becomes of the results of each function: each replies, or holds the request. */
void answer_enqueued(Request *request, const DbResult *result);
void answer_looked_up(Request *request, const DbResult *result);
void answer_read(Request *request, const DbResult *result);
void answer_history(Request *request, const DbResult *result);
void answer_ready(Request *request, const DbResult *result);

/*
 * Asks again for the outcomes of held requests that are due, and gives up those whose time is over
 * while the database has their items; while draining, lets all that are held go.
 */
void answers_run_timed(Http *http);

/* Lets a held request go with what is known. */
void answers_release(Request *request);

#endif /* WALLET_SHIM_ANSWERS_H */
