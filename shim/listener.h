/*
 * listener.h
 *		How a listening socket is closed without losing who has come to it.
 */
#ifndef WALLET_SHIM_LISTENER_H
#define WALLET_SHIM_LISTENER_H

#include <stdbool.h>

/*
 * From now on the kernel begins no new connection on the listening socket, and completes those
 * that it has begun.  Who comes now tries again a second later, and is refused once the socket is
 * closed.  Where the system cannot do that, new connections go on coming.
 */
void listener_drop_new(int fd);

/* Whether nobody is left whose connection is complete and has not been accepted yet. */
bool listener_is_empty(int fd);

#endif /* WALLET_SHIM_LISTENER_H */
