/*
 * upgrade.c
 *		Makes pg_upgrade work.
 *
 * pg_upgrade restores a dump whose last command refreshes wallet.opening.  A server in binary
 * upgrade mode cannot make the new table that a refresh needs.  The refresh is not needed either,
 * because pg_upgrade copies the view's file like all other files.  So this hook skips the refresh.
 */
#include "server/upgrade.h"

#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

static ProcessUtility_hook_type previous_hook = NULL;

static bool
refreshes_opening(Node *statement)
{
	RangeVar *view;

	if (!IsA(statement, RefreshMatViewStmt))
		return false;
	view = ((RefreshMatViewStmt *) statement)->relation;
	return view->schemaname != NULL && strcmp(view->schemaname, "wallet") == 0 &&
	       strcmp(view->relname, "opening") == 0;
}

static void
skip_refresh(PlannedStmt *statement, const char *text, bool read_only,
             ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
             DestReceiver *receiver, QueryCompletion *completion)
{
	ProcessUtility_hook_type next = previous_hook ? previous_hook : standard_ProcessUtility;

	if (!refreshes_opening(statement->utilityStmt))
		next(statement, text, read_only, context, parameters, environment, receiver, completion);
}

void
upgrade_register(void)
{
	if (!IsBinaryUpgrade)
		return;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = skip_refresh;
}
