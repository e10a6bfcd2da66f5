/*
 * extension.h
 *		Whether the extension is installed in the database.
 */
#ifndef PG_WALLET_EXTENSION_H
#define PG_WALLET_EXTENSION_H

#include "base/version.h"

/* Is this extension, of this library's version, installed in the database? */
typedef enum ExtensionState
{
	EXTENSION_ABSENT,
	EXTENSION_OTHER_VERSION,
	EXTENSION_READY
} ExtensionState;

extern ExtensionState extension_state(void);

#endif /* PG_WALLET_EXTENSION_H */
