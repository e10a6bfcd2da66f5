/*
 * failing.h
 *		What is shown about requests that fail.
 */
#ifndef PG_WALLET_FAILING_H
#define PG_WALLET_FAILING_H

#include "base/version.h"

#include "datatype/timestamp.h"

/* Room for the message of an error, with its end. */
#define FAILING_ERROR_SIZE 256

/* Requests that have failed alone, through nobody's fault, and wait for another try. */
typedef struct FailingRequests
{
	int count;
	int64 request_id;  /* of the one that has failed for longest */
	TimestampTz since; /* when it has failed first */
	int attempts;
	int sqlstate;
	char error[FAILING_ERROR_SIZE]; /* its message */
} FailingRequests;

#endif /* PG_WALLET_FAILING_H */
