/*
 * counters.h
 *		What the shim counts of itself.
 *
 * Each event loop counts in memory of its own, which that loop alone writes and each may read.  The
 * text is that of Prometheus, version 0.0.4.  No label says who has asked.
 */
#ifndef WALLET_SHIM_COUNTERS_H
#define WALLET_SHIM_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define TOKEN_HASH_SIZE 32 /* SHA-256 */
#define MONITOR_LOOPS_MAX 128

typedef enum Method
{
	METHOD_READ, /* GET, HEAD and QUERY */
	METHOD_POST,
	METHOD_OPTIONS,
	METHOD_OTHER
} Method;

/* What one loop counts. */
typedef struct Metrics Metrics;

/* The path of a route, by its number. */
typedef const char *RoutePath(int route);

/* What all loops share. */
typedef struct Monitor
{
	bool has_token; /* that /metrics asks for; without one this machine alone may ask */
	unsigned char token_hash[TOKEN_HASH_SIZE];
	int connections_max;   /* of HTTP, of all loops */
	int waiting_max;       /* requests that may wait, of all loops */
	int database_count;    /* connections that are wanted, */
	atomic_int *connected; /* and how many are there */
	RoutePath *route_path;
	atomic_int loop_count;
	Metrics *loops[MONITOR_LOOPS_MAX];
} Monitor;

/*
 * Makes what a loop counts with, for so many routes; monitor keeps it.  The main thread makes those
 * of all loops.  NULL: no memory.
 */
Metrics *counters_create(Monitor *monitor, int route_count, RoutePath *route_path);

/*
 * A request has ended that was for this route (-1: there is nothing at its path), was answered with
 * this status (0: it was not), and took so long.
 */
void counters_add(Metrics *metrics, int route, Method method, unsigned answered, int64_t took_ms);

/* How many connections and waiting requests the loop has now. */
typedef struct Gauges
{
	int connections;
	int waiting;
	int waiting_for_outcome; /* of these, how many by Prefer: wait */
} Gauges;

void counters_set_gauges(Metrics *metrics, const Gauges *gauges);

/* Writes the text; database_answers: what the database says follows. */
void counters_write(Buffer *out, const Monitor *monitor, bool database_answers);

#endif /* WALLET_SHIM_COUNTERS_H */
