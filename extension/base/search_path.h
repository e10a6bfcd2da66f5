/*
 * search_path.h
 *		The search_path of code that runs with the owner's rights.
 */
#ifndef PG_WALLET_SEARCH_PATH_H
#define PG_WALLET_SEARCH_PATH_H

#include "base/version.h"

/* Is the search_path "pg_catalog, pg_temp"? */
extern bool search_path_is_pinned(void);

/*
 * Pins the search_path to "pg_catalog, pg_temp" until search_path_unpin() or an error.  Returns
 * what search_path_unpin() wants: a GUC nest level; 0 where the search_path is pinned already.
 */
extern int search_path_pin(void);
extern void search_path_unpin(int level);

#endif /* PG_WALLET_SEARCH_PATH_H */
