/*
 * counters.c
 *		What the shim counts of itself, as Prometheus' text.
 *
 * A counter is an atomic that one thread alone writes: counting is a load and a store, without a
 * locked instruction.  The durations have the precision of the loop's clock, a millisecond.
 */
#include "api/counters.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

typedef _Atomic uint64_t Counter;

/* Statuses that are told apart; any other is the last. */
static const int statuses[] = {202, 200, 404, 400, 401, 403, 405, 408, 409, 410,
                               413, 415, 422, 429, 204, 500, 503, 0,   -1};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

static const char *const methods[] = {[METHOD_READ] = "GET",
                                      [METHOD_POST] = "POST",
                                      [METHOD_OPTIONS] = "OPTIONS",
                                      [METHOD_OTHER] = "other"};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

static const int bounds_ms[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};
#define BOUND_COUNT (sizeof(bounds_ms) / sizeof(bounds_ms[0]))

/* What is counted of the requests of one route and method. */
typedef struct RouteCounts
{
	Counter by_status[STATUS_COUNT];
	Counter by_duration[BOUND_COUNT + 1];
	Counter duration_ms;
} RouteCounts;

struct Metrics
{
	Counter connections;
	Counter waiting;
	Counter waiting_for_outcome;
	int route_count;
	RouteCounts routes[][METHOD_COUNT]; /* by route, the last being none */
};

Metrics *
counters_create(Monitor *monitor, int route_count, RoutePath *route_path)
{
	Metrics *metrics =
	    calloc(1, sizeof(Metrics) + (size_t) (route_count + 1) * sizeof(metrics->routes[0]));
	int count = atomic_load(&monitor->loop_count);

	assert(count < MONITOR_LOOPS_MAX);
	if (metrics == NULL)
		return NULL;
	metrics->route_count = route_count;
	monitor->route_path = route_path;
	monitor->loops[count] = metrics;
	atomic_store(&monitor->loop_count, count + 1);
	return metrics;
}

static void
add(Counter *counter, uint64_t amount)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
	                      memory_order_relaxed);
}

static uint64_t
value_of(const Counter *counter)
{
	return atomic_load_explicit((Counter *) counter, memory_order_relaxed);
}

void
counters_add(Metrics *metrics, int route, Method method, unsigned answered, int64_t took_ms)
{
	RouteCounts *counts = &metrics->routes[route < 0 ? metrics->route_count : route][method];
	size_t status = 0;
	size_t bound = 0;

	assert(route < metrics->route_count);
	while (status < STATUS_COUNT - 1 && statuses[status] != (int) answered)
		status++;
	while (bound < BOUND_COUNT && took_ms > bounds_ms[bound])
		bound++;
	add(&counts->by_status[status], 1);
	add(&counts->by_duration[bound], 1);
	add(&counts->duration_ms, took_ms > 0 ? (uint64_t) took_ms : 0);
}

void
counters_set_gauges(Metrics *metrics, const Gauges *gauges)
{
	atomic_store_explicit(&metrics->connections, gauges->connections, memory_order_relaxed);
	atomic_store_explicit(&metrics->waiting, gauges->waiting, memory_order_relaxed);
	atomic_store_explicit(&metrics->waiting_for_outcome, gauges->waiting_for_outcome,
	                      memory_order_relaxed);
}

/* ---- the text ---- */

/* A counter's sum over all loops; where: how far into a loop's Metrics. */
static uint64_t
sum(const Monitor *monitor, size_t where)
{
	int count = atomic_load((atomic_int *) &monitor->loop_count);
	uint64_t total = 0;

	for (int i = 0; i < count; i++)
		total +=
		    value_of((const Counter *) (const void *) ((const char *) monitor->loops[i] + where));
	return total;
}

static size_t
place_of(int route, size_t method, size_t where)
{
	return offsetof(Metrics, routes) +
	       ((size_t) route * METHOD_COUNT + method) * sizeof(RouteCounts) + where;
}

static const char *
path_of(const Monitor *monitor, int route)
{
	return route < monitor->loops[0]->route_count ? monitor->route_path(route) : "none";
}

static void
put_head(Buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_gauge(Buffer *out, const char *name, uint64_t value, const char *help)
{
	put_head(out, name, "gauge", help);
	buffer_printf(out, "%s %" PRIu64 "\n", name, value);
}

#define REQUESTS "wallet_shim_http_requests_total"
#define DURATION "wallet_shim_http_request_duration_seconds"

static void
put_statuses(Buffer *out, const Monitor *monitor, int route, size_t method)
{
	for (size_t i = 0; i < STATUS_COUNT; i++)
	{
		uint64_t count = sum(monitor, place_of(route, method, offsetof(RouteCounts, by_status[i])));
		char status[16];

		if (count == 0)
			continue;
		snprintf(status, sizeof(status), "%d", statuses[i]);
		buffer_printf(out, REQUESTS "{route=\"%s\",method=\"%s\",status=\"%s\"} %" PRIu64 "\n",
		              path_of(monitor, route), methods[method],
		              statuses[i] > 0    ? status
		              : statuses[i] == 0 ? "none"
		                                 : "other",
		              count);
	}
}

static void
put_durations(Buffer *out, const Monitor *monitor, int route, size_t method)
{
	char labels[128];
	uint64_t count = 0;

	for (size_t i = 0; i <= BOUND_COUNT; i++)
		count += sum(monitor, place_of(route, method, offsetof(RouteCounts, by_duration[i])));
	if (count == 0)
		return;
	snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\"", path_of(monitor, route),
	         methods[method]);
	count = 0;
	for (size_t i = 0; i <= BOUND_COUNT; i++)
	{
		count += sum(monitor, place_of(route, method, offsetof(RouteCounts, by_duration[i])));
		if (i < BOUND_COUNT)
			buffer_printf(out, DURATION "_bucket{%s,le=\"%g\"} %" PRIu64 "\n", labels,
			              bounds_ms[i] / 1000.0, count);
		else
			buffer_printf(out, DURATION "_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", labels, count);
	}
	buffer_printf(
	    out, DURATION "_sum{%s} %.3f\n" DURATION "_count{%s} %" PRIu64 "\n", labels,
	    (double) sum(monitor, place_of(route, method, offsetof(RouteCounts, duration_ms))) / 1000.0,
	    labels, count);
}

static void
put_requests(Buffer *out, const Monitor *monitor,
             void (*put)(Buffer *out, const Monitor *monitor, int route, size_t method))
{
	for (int route = 0; route <= monitor->loops[0]->route_count; route++)
		for (size_t method = 0; method < METHOD_COUNT; method++)
			put(out, monitor, route, method);
}

void
counters_write(Buffer *out, const Monitor *monitor, bool database_answers)
{
	put_head(out, "wallet_shim_info", "gauge", "Which version the shim has.");
	buffer_puts(out, "wallet_shim_info{version=\"" PG_WALLET_VERSION "\"} 1\n");
	put_gauge(out, "wallet_shim_database_answers", database_answers,
	          "Whether the database has answered this look; without it only the shim's own numbers "
	          "are here.");
	put_gauge(out, "wallet_shim_database_connections", (uint64_t) atomic_load(monitor->connected),
	          "Connections to the database that can be used.");
	put_gauge(out, "wallet_shim_database_connections_wanted", (uint64_t) monitor->database_count,
	          "Connections to the database that the shim keeps.");
	put_gauge(out, "wallet_shim_http_connections", sum(monitor, offsetof(Metrics, connections)),
	          "HTTP connections that are open.");
	put_gauge(out, "wallet_shim_http_connections_max", (uint64_t) monitor->connections_max,
	          "HTTP connections that may be open, by --max-connections.");
	put_gauge(out, "wallet_shim_requests_waiting", sum(monitor, offsetof(Metrics, waiting)),
	          "Requests that wait for the database, or by Prefer: wait.");
	put_gauge(out, "wallet_shim_requests_waiting_max", (uint64_t) monitor->waiting_max,
	          "Requests that may wait, by --max-waiting.");
	put_gauge(out, "wallet_shim_requests_waiting_for_outcome",
	          sum(monitor, offsetof(Metrics, waiting_for_outcome)),
	          "Requests that wait for their outcome, by Prefer: wait.");
	put_head(out, REQUESTS, "counter",
	         "Requests that have ended; status none: the client had gone before the answer.");
	put_requests(out, monitor, put_statuses);
	put_head(out, DURATION, "histogram",
	         "From the first line of a request until its answer was sent.");
	put_requests(out, monitor, put_durations);
}
