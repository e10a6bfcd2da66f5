/*
 * pg_wallet.c
 *		The library's start: settings, hooks, and the launcher when preloaded.
 */
#include "base/version.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/settings.h"
#include "base/shared.h"
#include "server/guard.h"
#include "server/launcher.h"
#include "server/upgrade.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/* What must be known before the server starts: the size of shared memory, and the launcher. */
static void
start_with_server(void)
{
	shared_request();
	launcher_register();
	upgrade_register();
}

void
_PG_init(void)
{
	settings_define();
	if (process_shared_preload_libraries_in_progress)
		start_with_server();
	guard_install();
}
