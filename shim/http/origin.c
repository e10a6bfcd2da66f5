/*
 * origin.c
 *		Hosts and origins of requests (RFC 9110, sections 4.2 and 7.2; RFC 6454; Fetch Metadata).
 */
#include "http/origin.h"

#include <assert.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORT_MAX 65535
#define LABEL_LENGTH_MAX 63
#define WHAT_HELPS " needs an API key here: start the shim with --auth=required"

static bool
is_loopback_ipv6(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* A port of digits alone; none between a colon and the end is none at all. */
static bool
read_port(const char *text, size_t length, int *port)
{
	int number = 0;

	*port = -1;
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (text[i] - '0');
		if (number > PORT_MAX)
			return false;
		*port = number;
	}
	return true;
}

/* Labels of letters, digits, hyphens and underscores, in small letters, without the last dot. */
static bool
read_name(const char *text, size_t length, char name[HOST_NAME_MAX_LENGTH + 1])
{
	size_t label_length = 0;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > HOST_NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c == '.' ? label_length == 0
		             : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		label_length = c == '.' ? 0 : label_length + 1;
		if (label_length > LABEL_LENGTH_MAX)
			return false;
		name[i] = c;
	}
	name[length] = '\0';
	return label_length > 0;
}

static bool
ends_in_localhost(const char *name)
{
	size_t length = strlen(name);
	size_t end = strlen("localhost");

	return length >= end && strcmp(name + length - end, "localhost") == 0 &&
	       (length == end || name[length - end - 1] == '.');
}

/* An IPv6 address in brackets; rest is behind them. */
static bool
read_ipv6(const char *text, size_t length, HostName *host, size_t *rest)
{
	const char *end = memchr(text, ']', length);
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ipv6;

	if (end == NULL || (size_t) (end - text) > sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int) (end - text - 1), text + 1);
	if (inet_pton(AF_INET6, address, &ipv6) != 1)
		return false;
	host->is_loopback = is_loopback_ipv6(&ipv6);
	*rest = (size_t) (end - text) + 1;
	return inet_ntop(AF_INET6, &ipv6, host->name, sizeof(host->name)) != NULL;
}

static bool
read_host(const char *text, size_t length, HostName *host)
{
	const char *colon = memchr(text, ':', length);
	size_t rest = colon ? (size_t) (colon - text) : length;
	struct in_addr ipv4;

	if (length > 0 && text[0] == '[')
	{
		if (!read_ipv6(text, length, host, &rest))
			return false;
	}
	else if (!read_name(text, rest, host->name))
		return false;
	else if (inet_pton(AF_INET, host->name, &ipv4) == 1)
		host->is_loopback = ntohl(ipv4.s_addr) >> 24 == IN_LOOPBACKNET;
	else
		host->is_loopback = ends_in_localhost(host->name);
	if (rest < length && text[rest++] != ':')
		return false;
	return read_port(text + rest, length - rest, &host->port);
}

/* One entry of a list, with blanks around it or not. */
static bool
read_entry(const char *text, size_t length, HostName *host)
{
	while (length > 0 && *text == ' ')
	{
		text++;
		length--;
	}
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return read_host(text, length, host);
}

bool
origin_read_hosts(const char *text, HostList *list, char message[MESSAGE_SIZE])
{
	bool ended = *text == '\0';

	list->count = 0;
	while (!ended)
	{
		size_t length = strcspn(text, ",");

		if (list->count == HOSTS_MAX)
		{
			snprintf(message, MESSAGE_SIZE, "--host has more than %d hosts", HOSTS_MAX);
			return false;
		}
		if (!read_entry(text, length, &list->hosts[list->count]))
		{
			snprintf(message, MESSAGE_SIZE,
			         "--host has \"%.*s\", which names no host: it takes a list as "
			         "pay.example,10.0.0.7:8000,[fd00::7]",
			         length < 64 ? (int) length : 64, text);
			return false;
		}
		list->count++;
		ended = text[length] == '\0';
		text += length + 1;
	}
	return true;
}

/* Whether a host is one of the list; without a port it has its scheme's. */
static bool
is_listed(const HostList *list, const HostName *host, bool is_tls)
{
	int port = host->port >= 0 ? host->port : is_tls ? 443 : 80;

	for (int i = 0; i < list->count; i++)
		if (strcmp(list->hosts[i].name, host->name) == 0 &&
		    (list->hosts[i].port < 0 || list->hosts[i].port == port))
			return true;
	return false;
}

/* A value without the blanks behind it, which libmicrohttpd leaves. */
static size_t
value_length(const char *value)
{
	size_t length = strlen(value);

	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		length--;
	return length;
}

/* Whether an origin is exactly the one of this request. */
static bool
is_own_origin(const char *origin, const char *host, size_t host_length, bool is_tls)
{
	const char *scheme = is_tls ? "https://" : "http://";
	size_t scheme_length = strlen(scheme);

	return value_length(origin) == scheme_length + host_length &&
	       strncasecmp(origin, scheme, scheme_length) == 0 &&
	       strncasecmp(origin + scheme_length, host, host_length) == 0;
}

static bool
is_own_site(const char *site)
{
	size_t length = value_length(site);

	return (length == strlen("same-origin") && memcmp(site, "same-origin", length) == 0) ||
	       (length == strlen("none") && memcmp(site, "none", length) == 0);
}

/* Checks Host.  A target in absolute form names a host as well, and Host must name the same. */
static const char *
check_host(const RequestLine *line, const RequestHead *head, const HostList *hosts, bool is_tls)
{
	const char *text = head->host ? head->host : line->authority;
	size_t length = value_length(text);
	HostName host;

	if (line->is_absolute &&
	    (length != strlen(line->authority) || strncasecmp(text, line->authority, length) != 0))
		return "the target of the request and its header field Host name two hosts";
	if (!read_host(text, length, &host) || !(host.is_loopback || is_listed(hosts, &host, is_tls)))
		return "the header field Host does not name this machine (localhost, 127.0.0.1, [::1]): "
		       "start the shim with --host and the name, or with --auth=required and API keys";
	return NULL;
}

WalletCode
origin_check(const RequestLine *line, const RequestHead *head, const HostList *hosts, bool is_tls,
             const char **message)
{
	const char *host = head->host ? head->host : line->authority;

	assert(hosts != NULL);
	*message = check_host(line, head, hosts, is_tls);
	if (*message == NULL && head->origin_count > 0 &&
	    (head->origin_count > 1 || !is_own_origin(head->origin, host, value_length(host), is_tls)))
		*message = "a request whose header field Origin names another web page" WHAT_HELPS;
	if (*message == NULL && head->site_count > 0 &&
	    (head->site_count > 1 || !is_own_site(head->site)))
		*message =
		    "a request whose header field Sec-Fetch-Site is not same-origin or none" WHAT_HELPS;
	return *message ? CODE_FOREIGN_ORIGIN : CODE_OK;
}
