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

/* Requests that have failed alone, for a reason outside of them, and wait for another try. */
typedef struct FailingRequests
{
	int count;
	int64 request_id;  /* the request that has been failing for the longest time, as below */
	TimestampTz since; /* when the request failed first */
	int attempts;
	int sqlstate;
	char error[FAILING_ERROR_SIZE]; /* the message of its last error */
} FailingRequests;

#endif /* PG_WALLET_FAILING_H */
