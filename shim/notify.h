/*
 * notify.h
 *		Tells the service manager how the process stands: the protocol of systemd's sd_notify(3).
 */
#ifndef WALLET_SHIM_NOTIFY_H
#define WALLET_SHIM_NOTIFY_H

#include <stdbool.h>

/* Whether a service manager has asked to be told: NOTIFY_SOCKET is set. */
bool notify_wanted(void);

/*
 * Sends a state, "READY=1" for one, as printf would write it.  Where nobody has asked, nothing
 * happens; where it cannot be sent, the log says so, and the process goes on.
 */
__attribute__((format(printf, 1, 2))) void notify_send(const char *format, ...);

#endif /* WALLET_SHIM_NOTIFY_H */
