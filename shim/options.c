/*
 * options.c
 *		One table of options: the flag, its variable, its limits, its help.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum Kind
{
	KIND_TEXT,
	KIND_NUMBER,
	KIND_SWITCH /* a flag without an argument; its variable is on or off */
} Kind;

typedef struct Option
{
	const char *flag;
	const char *variable;
	const char *argument;
	const char *fallback;
	size_t offset;
	Kind kind;
	int min;
	int max;
	const char *help;
} Option;

#define TEXT(member) offsetof(Options, member), KIND_TEXT, 0, 0
#define NUMBER(member, min, max) offsetof(Options, member), KIND_NUMBER, min, max
#define SWITCH(member) offsetof(Options, member), KIND_SWITCH, 0, 0

/* clang-format off */
static const Option table[] = {
	{"address", "WALLET_ADDRESS", "HOST", "127.0.0.1", TEXT(address), "address to listen on"},
	{"port", "WALLET_PORT", "NUMBER", "8000", NUMBER(port, 0, 65535), "port to listen on; 0 takes a free one"},
	{"threads", "WALLET_THREADS", "NUMBER", "2", NUMBER(threads, 1, OPTIONS_THREADS_MAX), "event loops, each with two database connections"},
	{"db", "WALLET_DB", "CONNINFO", "", TEXT(conninfo), "libpq connection string; what it leaves out comes from PG* variables"},
	{"db-read", "WALLET_DB_READ", "CONNINFO", "", TEXT(conninfo_read), "libpq connection string of a replica, which answers reads that it is new enough for"},
	{"schema", "WALLET_SCHEMA", "NAME", "public", TEXT(schema), "schema of the extension's functions"},
	{"require-standby", "WALLET_REQUIRE_STANDBY", NULL, "off", SWITCH(require_standby), "answers for what a synchronous standby has confirmed alone; /readyz needs one"},
	{"max-wait", "WALLET_MAX_WAIT", "SECONDS", "30", NUMBER(max_wait_s, 0, 3600), "upper bound of Prefer: wait=N"},
	{"request-timeout", "WALLET_REQUEST_TIMEOUT", "SECONDS", "10", NUMBER(request_timeout_s, 1, 3600), "time a request has to arrive"},
	{"drain-delay", "WALLET_DRAIN_DELAY", "SECONDS", "0", NUMBER(drain_delay_s, 0, 3600), "time after SIGTERM in which /readyz is 503 and all else is answered"},
	{"max-connections", "WALLET_MAX_CONNECTIONS", "NUMBER", "4096", NUMBER(max_connections, 1, 1000000), "HTTP connections at once"},
	{"max-waiting", "WALLET_MAX_WAITING", "NUMBER", "4096", NUMBER(max_waiting, 1, 1000000), "requests waiting for the database at once"},
	{"bulk-memory", "WALLET_BULK_MEMORY", "MIB", "32", NUMBER(bulk_memory_mib, 8, 65536), "memory that bulk requests may take in each event loop"},
	{"auth", "WALLET_AUTH", "required|off", "required", TEXT(auth), "whether requests need an API key; off needs a loopback address"},
	{"insecure-no-auth", "WALLET_INSECURE_NO_AUTH", NULL, "off", SWITCH(insecure_no_auth), "lets --auth=off serve any address"},
	{"host", "WALLET_HOST", "NAMES", "", TEXT(host), "names, with --auth=off, that Host may have besides loopback ones; separated by commas"},
	{"published-address", "WALLET_PUBLISHED_ADDRESS", "HOST", "", TEXT(published_address), "in a container: address on which its port is published; --auth=off is judged by it"},
	{"access-log", "WALLET_ACCESS_LOG", "off|json", "off", TEXT(access_log), "a line of JSON for each request, on stdout"},
	{"metrics-listen", "WALLET_METRICS_LISTEN", "HOST:PORT", "", TEXT(metrics_listen), "address and port for /metrics alone; without it the port of all else has /metrics"},
	{"metrics-token-file", "WALLET_METRICS_TOKEN_FILE", "FILE", "", TEXT(metrics_token_file), "file with the token that /metrics asks for; without it this machine alone may ask"},
	{"tls-cert", "WALLET_TLS_CERT", "FILE", "", TEXT(tls_cert), "certificate chain in PEM: serves HTTPS"},
	{"tls-key", "WALLET_TLS_KEY", "FILE", "", TEXT(tls_key), "its private key in PEM, not readable by everybody"},
};
/* clang-format on */

#define OPTION_COUNT ((int) (sizeof(table) / sizeof(table[0])))
#define OPTION_HELP OPTION_COUNT
#define OPTION_VERSION (OPTION_COUNT + 1)

static void
print_help(void)
{
	printf(
	    "wallet-shim answers HTTP requests for pg_wallet, the payment system in PostgreSQL.\n\n"
	    "Usage: wallet-shim [OPTION]...\n\n");
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		char flag[64];

		snprintf(flag, sizeof(flag), "--%s%s%s", table[i].flag, table[i].argument ? "=" : "",
		         table[i].argument ? table[i].argument : "");
		printf("  %-26s %s\n%29s[variable %s, default \"%s\"]\n", flag, table[i].help, "",
		       table[i].variable, table[i].fallback);
	}
	printf(
	    "  %-26s print this and exit\n  %-26s print the version and exit\n\n"
	    "A flag wins over its environment variable.  Give passwords in PGPASSFILE or PGPASSWORD,\n"
	    "not in --db or --db-read, which every user of the machine can read.\n",
	    "--help", "--version");
}

static bool
store_switch(bool *place, const char *source, const char *value)
{
	*place = strcmp(value, "on") == 0;
	if (*place || strcmp(value, "off") == 0)
		return true;
	fprintf(stderr, "wallet-shim: %s must be on or off\n", source);
	return false;
}

static bool
store(Options *options, const Option *option, const char *source, const char *value)
{
	char *place = (char *) options + option->offset;
	char *end;
	long number;

	assert(value != NULL && option->offset < sizeof(Options));
	if (option->kind == KIND_TEXT)
	{
		*(const char **) (void *) place = value;
		return true;
	}
	if (option->kind == KIND_SWITCH)
		return store_switch((bool *) place, source, value);
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < option->min || number > option->max)
	{
		fprintf(stderr, "wallet-shim: %s must be a number from %d to %d\n", source, option->min,
		        option->max);
		return false;
	}
	*(int *) (void *) place = (int) number;
	return true;
}

static bool
read_environment(Options *options)
{
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		const char *value = getenv(table[i].variable);

		if (value == NULL || *value == '\0')
			value = table[i].fallback;
		if (!store(options, &table[i], table[i].variable, value))
			return false;
	}
	return true;
}

/* Takes HOST:PORT apart, where HOST may be an IPv6 address in brackets; false: it is no such. */
static bool
read_listen(Options *options)
{
	const char *text = options->metrics_listen;
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t) (colon - text) : 0;
	bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
	char *end;
	long port;

	if (*text == '\0')
		return true;
	if (length == 0 || (!is_bracketed && (text[0] == '[' || memchr(text, ':', length) != NULL)))
		return false;
	if (is_bracketed)
	{
		text++;
		length -= 2;
	}
	port = strtol(colon + 1, &end, 10);
	if (length >= sizeof(options->metrics_address) || colon[1] < '0' || colon[1] > '9' ||
	    *end != '\0' || port > 65535)
		return false;
	memcpy(options->metrics_address, text, length);
	options->metrics_address[length] = '\0';
	options->metrics_port = (int) port;
	return true;
}

/* What one option demands of another. */
static bool
are_consistent(Options *options)
{
	char message[MESSAGE_SIZE];
	const char *wrong = NULL;

	if (strcmp(options->auth, "required") != 0 && strcmp(options->auth, "off") != 0)
		wrong = "--auth must be required or off";
	else if ((*options->tls_cert == '\0') != (*options->tls_key == '\0'))
		wrong = "--tls-cert and --tls-key need each other";
	else if (strcmp(options->access_log, "json") != 0 && strcmp(options->access_log, "off") != 0)
		wrong = "--access-log must be off or json";
	else if (!read_listen(options))
		wrong = "--metrics-listen must be a host and a port, as in 127.0.0.1:9187";
	else if (!origin_read_hosts(options->host, &options->hosts, message))
		wrong = message;
	if (wrong != NULL)
		fprintf(stderr, "wallet-shim: %s\n", wrong);
	return wrong == NULL;
}

int
options_read(Options *options, int argc, char **argv)
{
	struct option flags[OPTION_COUNT + 3] = {0};
	int choice;

	for (int i = 0; i < OPTION_COUNT; i++)
		flags[i] = (struct option){table[i].flag,
		                           table[i].argument ? required_argument : no_argument, NULL, i};
	flags[OPTION_HELP] = (struct option){"help", no_argument, NULL, OPTION_HELP};
	flags[OPTION_VERSION] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
	if (!read_environment(options))
		return 2;
	while ((choice = getopt_long(argc, argv, "", flags, NULL)) != -1)
	{
		if (choice == OPTION_HELP)
		{
			print_help();
			return 0;
		}
		if (choice == OPTION_VERSION)
		{
			puts("wallet-shim " PG_WALLET_VERSION); /* see Makefile */
			return 0;
		}
		if (choice == '?' ||
		    !store(options, &table[choice], table[choice].flag, optarg ? optarg : "on"))
			return 2;
	}
	if (optind < argc)
	{
		fprintf(stderr, "wallet-shim: unexpected argument \"%s\"\n", argv[optind]);
		return 2;
	}
	return are_consistent(options) ? -1 : 2;
}
