/*
 * sweep.h
 *		Keeps the deadlines of requests, and sees clients that have gone.
 */
#ifndef WALLET_SHIM_SWEEP_H
#define WALLET_SHIM_SWEEP_H

#include "base/codes.h"
#include "http/client.h"

/*
 * While draining: how long nothing may come on a connection before it is taken that nothing comes.
 * It is longer than most round trips: of handshakes under way, and of requests sent on connections
 * that are kept.
 */
#define SWEEP_QUIET_MS 250

/* Sweeps a part of the clients, so that nobody waits long where there are many. */
void sweep_run(Http *http);

/*
 * Cuts a connection.  While the request is not complete, nothing else is being written, so the
 * client is told why.  libmicrohttpd notices the cut and cleans up.
 */
void sweep_cut(Client *client, WalletCode code);

#endif /* WALLET_SHIM_SWEEP_H */
