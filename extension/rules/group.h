/*
 * group.h
 *		The rules of groups: operations that are carried out all or none.
 */
#ifndef PG_WALLET_GROUP_H
#define PG_WALLET_GROUP_H

#include "rules/effects.h"

extern Rule rule_group;
extern Rule rule_group_reversal;

/*
 * The leg whose wallet the key of a direct call belongs to: the first leg of a group.  Of a group
 * reversal it is the first leg that can be reversed by its kind, whatever is left of its transfer,
 * so that a repeated call has the same leg; the first leg where there is none such.  NULL where
 * there are no legs.
 */
extern const Operation *group_first_leg(const Operation *group, const WorkingSet *set);

#endif /* PG_WALLET_GROUP_H */
