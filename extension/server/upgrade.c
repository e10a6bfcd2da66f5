/*
 * upgrade.c
 *		What pg_upgrade needs of us.
 *
 * pg_upgrade has pg_dump refresh wallet.opening at the end, as after a restore.  But a server in
 * binary upgrade mode can make no table for what is new in the view, and nothing is new: the
 * view's file is taken over with all others.  So the refresh is passed over there.
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
pass_over_refresh(PlannedStmt *statement, const char *text, bool read_only,
                  ProcessUtilityContext context, ParamListInfo parameters,
                  QueryEnvironment *environment, DestReceiver *receiver,
                  QueryCompletion *completion)
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
	ProcessUtility_hook = pass_over_refresh;
}
