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
 * The first leg of a group, or the first that a group reversal could ever reverse, whatever is left
 * of it: NULL where there are no legs.  So a repeated group reversal has the same one.
 */
extern const Operation *group_first_leg(const Operation *group, const WorkingSet *set);

#endif /* PG_WALLET_GROUP_H */
