/*
 * hold.h
 *		The rules of holds: money that is reserved, and then captured or released.
 */
#ifndef PG_WALLET_HOLD_H
#define PG_WALLET_HOLD_H

#include "rules/effects.h"

extern Rule rule_hold;
extern Rule rule_capture;
extern Rule rule_void;
extern Rule rule_hold_extend;

#endif /* PG_WALLET_HOLD_H */
