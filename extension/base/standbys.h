/*
 * standbys.h
 *		Commits that wait for a synchronous standby.
 */
#ifndef PG_WALLET_STANDBYS_H
#define PG_WALLET_STANDBYS_H
#include "base/version.h"

/* Why commits wait for a standby now, and what to do; NULL when they do not. */
extern char *trouble_of_standbys(void);

/* How many of the standbys that a commit needs are not connected; 0: none is missing, or needed. */
extern int standbys_missing(void);

/*
 * pg_wallet.require_standby: whether this session stores nothing that no standby would confirm, and
 * no standby is named.
 */
extern bool standby_is_lacking(void);

/*
 * pg_wallet.require_standby: the commit of this transaction raises a warning with the SQLSTATE of
 * CODE_STANDBY_UNAVAILABLE unless a standby has confirmed the commit.
 */
extern void watch_commit(void);

/*
 * Let this transaction's commit wait for a standby where one is named, although the transaction
 * has written nothing: what it has read may be committed on this server alone.
 */
extern void confirm_at_commit(void);

#endif /* PG_WALLET_STANDBYS_H */
