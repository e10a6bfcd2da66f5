/*
 * listener.c
 *		A listening socket's gate and its queue.
 *
 * When a listening socket is closed, the kernel resets the connections that wait in its queue,
 * and those whose handshake is under way.  Their clients believe to be connected, and have sent
 * their requests: a proxy must not send a POST again that it has sent.  So the socket is first
 * bound to a network interface that does not exist.  From then on the kernel finds no socket for
 * a SYN, and refuses the connection.  Handshakes under way go on, since they belong to the
 * interface that they came by.  The socket is closed when all of them are accepted.
 */
#include "http/listener.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define STATE_SYN_RECV 3 /* in the files of proc(5) */
#define LINES_MAX 20000  /* some 20 ms to read */

void
listener_refuse_new(int fd)
{
	int nowhere = INT_MAX;

	assert(fd >= 0);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof(nowhere)) != 0)
		log_line("cannot refuse new connections before the port is closed: %s", strerror(errno));
}

/* Of a listening socket tcpi_unacked is how many wait to be accepted. */
bool
listener_is_empty(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	memset(&info, 0, sizeof(info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_unacked == 0;
}

/* In one of the two files that list the connections of this machine. */
static bool
file_has_handshake(const char *name, int port)
{
	FILE *file = fopen(name, "re");
	char line[512];
	bool found = file == NULL && errno != ENOENT; /* there may be no IPv6 */
	unsigned local_port;
	unsigned state;

	for (int i = 0; file != NULL && !found && fgets(line, sizeof(line), file) != NULL; i++)
		found = i == LINES_MAX ||
		        (sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local_port, &state) == 2 &&
		         local_port == (unsigned) port && state == STATE_SYN_RECV);
	if (file != NULL)
		fclose(file);
	return found;
}

bool
listener_completes(int port)
{
	assert(port > 0);
	return file_has_handshake("/proc/self/net/tcp", port) ||
	       file_has_handshake("/proc/self/net/tcp6", port);
}

bool
listener_is_loopback(const struct sockaddr *address)
{
	const struct in6_addr *ipv6 =
	    &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr;
	const struct in_addr *ipv4 = &((const struct sockaddr_in *) (const void *) address)->sin_addr;

	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(ipv6) ||
		       (IN6_IS_ADDR_V4MAPPED(ipv6) && ipv6->s6_addr[12] == 127);
	return address->sa_family == AF_INET && ntohl(ipv4->s_addr) >> 24 == 127;
}
