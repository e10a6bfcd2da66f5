/*
 * shown.h
 *		What there is, in words.
 */
#ifndef PG_WALLET_SCENARIOS_SHOWN_H
#define PG_WALLET_SCENARIOS_SHOWN_H

#include "world.h"

extern const Currency *currency_of(const Transfer *row);

/* Each answers the rest of its line (program.c). */
extern void answer_wallet(void);
extern void answer_hold(void);
extern void answer_row(void);
extern void answer_journal(void);

#endif /* PG_WALLET_SCENARIOS_SHOWN_H */
