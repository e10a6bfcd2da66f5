/*
 * extension.h
 *		Whether the extension is installed in the database.
 */
#ifndef PG_WALLET_EXTENSION_H
#define PG_WALLET_EXTENSION_H

#include "base/version.h"

/* EXTENSION_READY: the extension is installed, in the version of this library. */
typedef enum ExtensionState
{
	EXTENSION_ABSENT,
	EXTENSION_OTHER_VERSION,
	EXTENSION_READY
} ExtensionState;

extern ExtensionState extension_state(void);

/* The version of the extension, when extension_state has just returned EXTENSION_OTHER_VERSION. */
extern const char *extension_other_version(void);

#endif /* PG_WALLET_EXTENSION_H */
