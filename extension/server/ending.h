/*
 * ending.h
 *		How a background process ends.
 */
#ifndef PG_WALLET_ENDING_H
#define PG_WALLET_ENDING_H

#include "base/version.h"

/*
 * From here on, this process ends without an error in the log when it is told to end.  Until
 * ending_connected(), the same holds when the process cannot connect since its database has gone.
 * A process that the postmaster restarts exits with status 0 only while the server stops.
 */
extern void ending_install(bool restarted);
extern void ending_connected(void);

#endif /* PG_WALLET_ENDING_H */
