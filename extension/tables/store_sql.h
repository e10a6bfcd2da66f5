/*
 * store_sql.h
 *		The part of store.c's work that statements can do as well.
 */
#ifndef PG_WALLET_STORE_SQL_H
#define PG_WALLET_STORE_SQL_H

#include "base/version.h"

#include "rules/post.h"
#include "tables/store.h"

/* As the functions store_* of the same names. */
extern int sql_lock_wallets(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets);
extern bool sql_find_currency(const char *code, Currency *currency);
extern void sql_update_wallets(const Wallet *wallets, int count);
extern void sql_insert_transfers(const Transfer *transfers, int count, const Datum *metadata);
extern void sql_insert_outcomes(const Outcome *outcomes, int count, TimestampTz posted_at);

#endif /* PG_WALLET_STORE_SQL_H */
