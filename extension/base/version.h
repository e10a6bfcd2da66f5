/*
 * version.h
 *		The server's own header, where its version is one that the extension is made for.
 */
#ifndef PG_WALLET_VERSION_H
#define PG_WALLET_VERSION_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM > 189999
#error "pg_wallet needs PostgreSQL 15, 16, 17 or 18"
#endif

#include "fmgr.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Its name since PostgreSQL 18. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif /* PG_WALLET_VERSION_H */
