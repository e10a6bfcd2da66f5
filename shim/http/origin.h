/*
 * origin.h
 *		Which requests may come in without an API key: not those of foreign web pages.
 *
 * A browser on this machine reaches the shim for every web page that it shows.
 * The page cannot choose the header fields Host, Origin and Sec-Fetch-Site: the
 * browser writes them.  Host has the name that the page used, which is a foreign
 * one where somebody lets his name lead to this machine (DNS rebinding).  Origin
 * and Sec-Fetch-Site say which page asks.  Programs such as curl send Host alone.
 */
#ifndef WALLET_SHIM_ORIGIN_H
#define WALLET_SHIM_ORIGIN_H

#include "http/guard.h"

#define HOSTS_MAX 64

/* A host, as Host and the authority of a target name it. */
typedef struct HostName
{
	char name[HOST_NAME_MAX_LENGTH + 1]; /* in small letters; an address as inet_ntop has it */
	int port;                            /* -1: none was given */
	bool is_loopback;
} HostName;

/* The hosts of --host. */
typedef struct HostList
{
	int count;
	HostName hosts[HOSTS_MAX];
} HostList;

/*
 * Reads the list of --host: hosts separated by commas, each with a port or without.  False when
 * it is malformed; then message says what is wrong.
 */
bool origin_read_hosts(const char *text, HostList *list, char message[MESSAGE_SIZE]);

/*
 * Whether a request without an API key may come in: CODE_OK, or CODE_FOREIGN_ORIGIN with a message
 * that names the header field.  hosts has what Host may be besides a loopback name.
 */
WalletCode origin_check(const RequestLine *line, const RequestHead *head, const HostList *hosts,
                        bool is_tls, const char **message);

#endif /* WALLET_SHIM_ORIGIN_H */
