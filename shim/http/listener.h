/*
 * listener.h
 *		How a listening socket is closed without losing who has come to it.
 */
#ifndef WALLET_SHIM_LISTENER_H
#define WALLET_SHIM_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Makes the kernel refuse new connections to the listening socket, and complete those that it
 * has begun.  Where several sockets share a port, call this for all of them before one is
 * closed.  Before Linux 5.7 the system cannot do that: then new connections go on coming.
 */
void listener_refuse_new(int fd);

/* Whether nobody is left whose connection is complete and has not been accepted yet. */
bool listener_is_empty(int fd);

/*
 * Whether the kernel is still completing a connection to a port of this machine; true as well
 * where that cannot be found out.
 */
bool listener_completes(int port);

/* Whether an address is one of this machine, which nobody else reaches. */
bool listener_is_loopback(const struct sockaddr *address);

#endif /* WALLET_SHIM_LISTENER_H */
