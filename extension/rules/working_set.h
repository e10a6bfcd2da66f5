/*
 * working_set.h
 *		The wallets and users that operations touch.
 *
 * Whoever carries out operations (posting/ledger.c, or a test) makes a working set in five steps:
 *
 * 1. Zero the set and give it memory: touched (zeroed) and touched_max.
 * 2. working_set_touch() for each operation.  Now touched has the keys of all that is touched.
 * 3. Give memory for wallets: as many as touched_count is enough.  Fill it with the wallets that
 *    exist, in the order of their ids, and call working_set_load().  Set is_there of the users who
 *    have a wallet, and is_busy of what another transaction holds.  A busy wallet is left out of
 *    wallets, unless gets_hold is set.  Give find_currency.
 * 4. Begin with effects_begin() (effects.h), which decides the moment.  Then fill holds and
 *    originals, where operations refer to some or wallets hold something, and call
 *    working_set_load_holds() and working_set_load_originals().
 * 5. For each operation in order: rules_judge() (rules.h), unless working_set_must_wait() says that
 *    the operation has to wait.  Afterwards the wallets with changes are to be stored.
 *
 * Nothing here allocates memory, so the sizes are the caller's to get right: every one is asserted.
 */
#ifndef PG_WALLET_WORKING_SET_H
#define PG_WALLET_WORKING_SET_H

#include "rules/operation.h"

/* A wallet, or a user who wants one, that an operation touches. */
typedef struct Touched
{
	int64_t key;     /* as in operation_keys(); 0: nobody uses this element */
	int32_t wallet;  /* its place in wallets, from 1; 0 where there is no wallet */
	bool is_there;   /* the table has the wallet, or a wallet of the user */
	bool is_busy;    /* who touches this has to wait */
	bool is_written; /* an operation would write the wallet, were it carried out */
	bool gets_hold;  /* a hold is to be made whose destination the wallet is */
} Touched;

/* A wallet, a hold or an original as it was before an operation changed it. */
typedef struct Before
{
	Wallet *wallet; /* NULL: hold or original is set */
	Hold *hold;
	Original *original;
	union
	{
		Wallet as_wallet;
		Hold as_hold;
		Original as_original;
	};
} Before;

typedef struct WorkingSet
{
	/*
	 * A hash table by key, of which two thirds are used at the most; or in a set of a few, which
	 * has no hash, a list.
	 */
	Touched *touched;
	uint32_t touched_max; /* a power of two */
	uint32_t touched_count;
	uint32_t (*hash)(int64_t key);

	/* First the wallets that were loaded, in the order of their ids; then those that were made. */
	Wallet *wallets;
	int wallets_max;
	int loaded_count;
	int wallet_count;
	int holders;               /* loaded wallets that hold something */
	int64_t newest_updated_at; /* of the loaded wallets that are written */

	/*
	 * First the holds that were loaded, in the order of their ids: those that operations name, and
	 * the due ones of wallets that hold something.  Then, in any order, those that were made, and
	 * due ones that were read later.
	 */
	Hold *holds;
	int holds_max;
	int loaded_holds;
	int hold_count;

	/* The transfers that operations want to reverse, in the order of their ids. */
	Original *originals;
	int originals_max;
	int original_count;

	/* What effects_undo() restores; no memory where nobody calls effects_mark(). */
	Before *befores;
	int befores_max;
	int before_count;
	bool is_marked;

	/* Finds a currency by its code; false where there is none. */
	bool (*find_currency)(const char *code, Currency *currency);
	Currency currency; /* the one found last */
	bool has_currency;
} WorkingSet;

/* Elements of touched for this many keys. */
extern uint32_t touched_room(uint32_t keys);

/* What is known of a key; NULL when no operation touches it. */
extern Touched *touched_find(const WorkingSet *set, int64_t key);

/* Adds what the operation touches. */
extern void working_set_touch(WorkingSet *set, const Operation *operation);

/* Enters the first count elements of wallets, which have been read from the table. */
extern void working_set_load(WorkingSet *set, int count);

/*
 * Enters the first count elements of holds, which have been read from the table, and finds the due
 * holds of each wallet; the originals likewise.
 */
extern void working_set_load_holds(WorkingSet *set, int count, int64_t moment);
extern void working_set_load_originals(WorkingSet *set, int count);

/*
 * Enters due holds behind hold_count that have been read later, but for those that are in the set
 * already.  holds has room for count more.  Returns how many were entered.
 */
extern int working_set_add_due(WorkingSet *set, int count);

/* NULL where the table has no such hold, or no such transfer. */
extern Hold *working_set_hold(const WorkingSet *set, int64_t hold_id);
extern Original *working_set_original(const WorkingSet *set, int64_t transfer_id);

/* The next element of wallets becomes a new wallet, of a user who wants one. */
extern Wallet *working_set_make(WorkingSet *set, const Wallet *wallet);

/* Forgets the new wallets from this number of wallets on: their users have none. */
extern void working_set_unmake(WorkingSet *set, int wallet_count);

/* Must the operation wait?  Then later operations wait for whatever this one touches. */
extern bool working_set_must_wait(WorkingSet *set, const Operation *operation);

/* NULL where there is no such wallet. */
extern Wallet *working_set_wallet(const WorkingSet *set, int64_t wallet_id);

/* NULL where there is no such currency.  The answer holds until the next call. */
extern const Currency *working_set_currency(WorkingSet *set, const char *code);

#endif /* PG_WALLET_WORKING_SET_H */
