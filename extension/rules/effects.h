/*
 * effects.h
 *		What operations do: the wallets that they change, and the rows that they add.
 *
 * Whoever carries out operations gives the memory and the two functions that draw ids, and sets
 * moment to what the clock says.  A rule calls the functions here after its last check: none of
 * them can refuse.
 */
#ifndef PG_WALLET_EFFECTS_H
#define PG_WALLET_EFFECTS_H

#include "rules/operation.h"
#include "rules/working_set.h"

typedef struct Effects Effects;

/*
 * A rule: may an operation of one kind be carried out, and what does it do?
 *
 * A rule is plain C: no I/O, no memory of its own, no errors thrown.  All its checks come first, in
 * the order of codes.h.  After the last check come the effects, which cannot fail.  So a rule that
 * returns anything but CODE_OK has changed nothing.
 */
typedef WalletCode Rule(const Operation *operation, WorkingSet *set, Effects *effects);

struct Effects
{
	int64_t clock; /* what the clock says; valid_until is compared with it */

	/*
	 * All that is written has this moment: what the clock says, or the newest updated_at of the
	 * wallets that are written where that is later, since somebody may have set the clock back.
	 * So posted_at never goes back along a wallet's chain, and what expires_at is compared with is
	 * what the rows say.
	 */
	int64_t moment;

	int64_t hold_expiry; /* how long a hold lasts that names no end, in microseconds */

	Transfer *transfers;
	int transfer_count;
	int transfers_max; /* of operation_transfers_max() the sum, and one for each due hold */
	Outcome *outcomes;
	int outcome_count;
	int outcomes_max; /* one for each operation with a request */
	int failed_leg;   /* of the group that was refused last: from 1 on; 0: it was no leg's fault */
	int failed_share; /* of the split that was refused last, likewise */
	const Operation *failed; /* the leg, where failed_leg is one */
	Rule *carry_out;         /* rules_carry_out(), for the legs of a group */

	/*
	 * The next id.  That of a transfer is larger than above, the newest of the two wallets';
	 * to_come transfers, this one among them, want an id in this batch.
	 */
	int64_t (*draw_transfer_id)(int64_t above, int to_come);
	int64_t (*draw_wallet_id)(void);
};

/* Sets the moment, once the wallets are loaded and before the holds are. */
extern void effects_begin(Effects *effects, const WorkingSet *set, int64_t clock);

/*
 * Records a movement of money and changes both wallets.  The source has the money, and the
 * destination has room for it.  The transfer gets its id in effects_settle().  Returns the row, for
 * what is special about it.
 */
extern Transfer *effects_move(WorkingSet *set, Effects *effects, const Operation *operation,
                              RequestKind kind, int64_t amount, Wallet *source,
                              Wallet *destination);

/*
 * Changes a hold and what its source wallet holds: by so much rest and captured grow, or shrink.
 * The row that says so is recorded by effects_note(), or by effects_move() of a capture, which
 * comes after this.
 */
extern void effects_change_hold(WorkingSet *set, Effects *effects, Hold *hold, Wallet *source,
                                int64_t rest, int64_t captured);

/* Marks a hold as changed in this moment. */
extern void effects_touch_hold(WorkingSet *set, Effects *effects, Hold *hold);

/* Makes an open hold of nothing yet, whose id is that of the next row. */
extern Hold *effects_make_hold(WorkingSet *set, Effects *effects, int64_t source_wallet_id,
                               int64_t destination_wallet_id);

/* Records a row that moves no money, in the chain of the source alone. */
extern Transfer *effects_note(WorkingSet *set, Effects *effects, const Operation *operation,
                              RequestKind kind, int64_t amount, Wallet *source, const Hold *hold);

/* The due holds of a wallet expire, before something is written that counts on what they free. */
extern void effects_expire_due(WorkingSet *set, Effects *effects, Wallet *wallet);

/* So much more of an original is reversed. */
extern void effects_reverse(WorkingSet *set, Original *original, int64_t amount);

/* Makes an empty wallet for the user of the operation, who has none. */
extern Wallet *effects_make_wallet(WorkingSet *set, Effects *effects, int64_t user_id,
                                   const Currency *currency);

/*
 * Marks a wallet as changed in this moment.  Whoever changes a wallet calls this first: what is not
 * marked is not stored.
 */
extern void effects_change(WorkingSet *set, Effects *effects, Wallet *wallet, WalletChange change);

/* Keeps how the operation ended, where it has a request that waits for an outcome. */
extern void effects_add_outcome(Effects *effects, const Operation *operation, Outcome outcome);

/*
 * The last step before all is written: gives everything the same moment, and each transfer its id.
 * The ids are drawn after the wallets were read and before they are written.  So they rise along
 * each wallet's chain in the order in which the money moved, and refused operations draw none.
 */
extern void effects_settle(WorkingSet *set, Effects *effects);

/*
 * Where the effects were when effects_mark() was called.  effects_undo() takes back what the
 * operations since then have done; effects_keep() keeps that.  Between the two, the set remembers
 * each wallet that is changed (WorkingSet.befores).  One mark at a time.
 */
typedef struct EffectsMark
{
	int transfer_count;
	int outcome_count;
	int wallet_count;
	int hold_count;
} EffectsMark;

extern EffectsMark effects_mark(WorkingSet *set, const Effects *effects);
extern void effects_undo(WorkingSet *set, Effects *effects, const EffectsMark *mark);
extern void effects_keep(WorkingSet *set);

/* The wallet that stands for the outside world in this currency: never loaded, never stored. */
extern Wallet outside_wallet(const Currency *currency);

static inline bool
is_outside(const Wallet *wallet)
{
	return wallet->wallet_id < 0;
}

#endif /* PG_WALLET_EFFECTS_H */
