/*
 * position.h
 *		How far a server has come in its write-ahead log, as the extension tells it.
 */
#ifndef WALLET_SHIM_POSITION_H
#define WALLET_SHIM_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#define POSITION_SIZE 40 /* of its text, with the NUL */

/* A position; timeline 0: none. */
typedef struct Position
{
	uint32_t timeline;
	uint64_t lsn;
} Position;

/* Reads TIMELINE-LSN, as in 1-0/3000148; false when the text is no position. */
bool position_read(const char *text, Position *position);

/*
 * Whether a standby that has replayed so far shows everything that was visible at a position.
 * None is shown by every standby.  Another timeline is not compared (extension/server/replica.c).
 */
bool position_covers(const Position *replayed, const Position *position);

#endif /* WALLET_SHIM_POSITION_H */
