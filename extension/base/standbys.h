/*
 * standbys.h
 *		Commits that wait for a synchronous standby.
 */
#ifndef PG_WALLET_STANDBYS_H
#define PG_WALLET_STANDBYS_H
#include "base/version.h"

/* Why commits wait for a standby now, and what to do; NULL when they do not. */
extern char *trouble_of_standbys(void);

/*
 * Let this transaction's commit wait for a standby where one is named, although the transaction
 * has written nothing: what it has read may be committed on this server alone.
 */
extern void confirm_at_commit(void);

#endif /* PG_WALLET_STANDBYS_H */
