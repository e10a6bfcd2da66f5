/*
 * ending.h
 *		How a background process ends.
 */
#ifndef PG_WALLET_ENDING_H
#define PG_WALLET_ENDING_H

#include "base/version.h"

/*
 * ending_install, called once: from here on this process logs no error when it is told to end.
 * Until ending_connected() is called, it logs no error either when its database was dropped or is
 * closed to all.  restarted: the postmaster restarts the process, so that the process must not
 * exit with status 0 unless the server stops.
 */
extern void ending_install(bool restarted);
extern void ending_connected(void);

#endif /* PG_WALLET_ENDING_H */
