/*
 * options.h
 *		The flags of the command line and their environment variables.
 */
#ifndef WALLET_SHIM_OPTIONS_H
#define WALLET_SHIM_OPTIONS_H

#include <stdbool.h>

#include "http/origin.h"

#define OPTIONS_THREADS_MAX 64

typedef struct Options
{
	const char *address;
	int port; /* 0: any free one */
	int threads;
	const char *conninfo;
	const char *conninfo_read; /* of a replica, or "" */
	const char *schema;
	bool require_standby;
	int max_wait_s;
	int request_timeout_s;
	int drain_delay_s;
	int max_connections;
	int max_waiting;
	int bulk_memory_mib; /* of each loop */
	const char *auth;    /* "required" or "off" */
	bool insecure_no_auth;
	const char *host;              /* a list of names */
	HostList hosts;                /* what it says */
	const char *published_address; /* of a container's port, or "" */
	const char *access_log;        /* "json" or "off" */
	const char *metrics_listen;    /* HOST:PORT, or "": /metrics is on the port of all else */
	char metrics_address[HOST_TEXT_SIZE]; /* what it says, */
	int metrics_port;                     /* 0: any free one */
	const char *metrics_token_file;       /* or "" */
	const char *tls_cert;                 /* both are files, or both empty */
	const char *tls_key;
} Options;

/*
 * Fills options from the defaults, the environment and the command line, the
 * last winning.  Returns -1 to go on, or the status to exit with at once, after
 * having printed what was asked for (--help, --version) or what is wrong.
 */
int options_read(Options *options, int argc, char **argv);

#endif /* WALLET_SHIM_OPTIONS_H */
