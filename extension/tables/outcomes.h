/*
 * outcomes.h
 *		The table of outcomes.
 */
#ifndef PG_WALLET_OUTCOMES_H
#define PG_WALLET_OUTCOMES_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "rules/codes.h"
#include "rules/operation.h"

/*
 * The outcomes are in the order of their requests' ids.  The moment of a read is posted_at, or the
 * wallet's updated_at where that is later.
 */
extern void outcomes_insert(const Outcome *outcomes, int count, TimestampTz posted_at);

#endif /* PG_WALLET_OUTCOMES_H */
