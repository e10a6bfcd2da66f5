/*
 * metrics.h
 *		GET /metrics, which shows what the shim counts of itself together with what the database
 *		says (wallet_metrics).
 */
#ifndef WALLET_SHIM_METRICS_H
#define WALLET_SHIM_METRICS_H

#include "api/request.h"

/* Reads the token of /metrics from a file; false when that fails, with the reason in the log. */
bool monitor_load_token(Monitor *monitor, const char *file);

void metrics_read(Request *request);

#endif /* WALLET_SHIM_METRICS_H */
