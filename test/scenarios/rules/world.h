/*
 * world.h
 *		Wallets, holds and rows in memory, in place of tables, for the program of the scenarios.
 */
#ifndef PG_WALLET_SCENARIOS_WORLD_H
#define PG_WALLET_SCENARIOS_WORLD_H

#include "rules/hold.h"
#include "rules/reversal.h"
#include "rules/rules.h"
#include "rules/transfer.h"
#include "rules/wallet.h"

#define SET_MAX 1024

/* One operation at a time with what it touches and does. */
typedef struct Bank
{
	WorkingSet set;
	Effects effects;
	Touched touched[1024];
	Wallet wallets[SET_MAX];
	Hold holds[SET_MAX];
	Original originals[SET_MAX];
	Before befores[8 * SET_MAX];
	Transfer transfers[SET_MAX];
	Outcome outcomes[1];
} Bank;

extern Bank bank;

/* As tables have them: in the order of their ids. */
#define WALLETS_MAX 1000
#define ROWS_MAX 20000
extern Wallet wallets[WALLETS_MAX];
extern int wallet_count;
extern Transfer rows[ROWS_MAX];
extern int row_count;

/* What the clock says. */
extern int64_t now;

/* The user who gets the wallet that is made next: a wallet has the number of its user. */
extern int64_t last_wallet_id;

/* Ends the program, which cannot go on. */
extern _Noreturn void fail(const char *what);

/* NULL where there is none. */
extern Wallet *stored_wallet(int64_t wallet_id);
extern Hold *stored_hold(int64_t hold_id);

/* Its place in rows; -1 where there is none. */
extern int stored_row(int64_t transfer_id);

/* The id of what an operation of this name has made, or one that nothing has; and the name of an
 * id. */
extern int64_t id_of_name(const char *name);
extern const char *name_of_id(int64_t id);

/* Finds and loads what the operation touches. */
extern void open_bank(const Operation *operation);

/* Enters the holds and transfers that the operation refers to, and due holds. */
extern void load_links(const Operation *operation);

/* Stores what was done, and gives its rows the name. */
extern void store_bank(const char *name);

/* Finds the wallets of what an operation refers to, as posting/resolve.c does. */
extern void resolve_all(Operation *operation);

#endif /* PG_WALLET_SCENARIOS_WORLD_H */
