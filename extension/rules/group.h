/*
 * group.h
 *		The rules of groups: operations that are carried out all or none.
 */
#ifndef PG_WALLET_GROUP_H
#define PG_WALLET_GROUP_H

#include "rules/effects.h"

extern Rule rule_group;
extern Rule rule_group_reversal;

#endif /* PG_WALLET_GROUP_H */
