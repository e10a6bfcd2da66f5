/*
 * ending.c
 *		A background process that is told to end leaves no error in the log.
 *
 * SIGTERM calls die(): the next check for interrupts raises a FATAL error, which would be written
 * to the log.  The process would exit with status 1, and the postmaster would log that as well.
 * But nothing has failed: somebody has stopped the server, or dropped the database.  So the hook
 * below sees the error before it is written, and ends the process.  The exit callbacks run as they
 * do after a FATAL error.
 *
 * The postmaster never restarts a process that exits with status 0.  A worker is not restarted in
 * any case: it asks the launcher for the next worker.  The launcher exits with status 0 only while
 * the server stops.
 */
#include "server/ending.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/pidfile.h"

static emit_log_hook_type previous_hook = NULL;
static bool is_restarted = false;
static bool is_connecting = false;

/* Whether the server stops: the postmaster notes that in its file before it signals processes. */
static bool
server_stops(void)
{
	char text[MAXPGPATH * 3];
	const char *line = text;
	int file = open("postmaster.pid", O_RDONLY, 0);
	ssize_t length;

	if (file < 0)
		return false;
	length = read(file, text, sizeof(text) - 1);
	(void) close(file);
	text[Max(length, 0)] = '\0';
	for (int i = 1; i < LOCK_FILE_LINE_PM_STATUS && line != NULL; i++)
	{
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return line != NULL && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

/*
 * Whether this error means only that the process has to end.  While a process connects, the
 * database may be dropped or closed to all; the person who does that needs no error in the log.
 */
static bool
is_end(const ErrorData *error)
{
	if (error->elevel != FATAL)
		return false;
	return error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
	       (is_connecting && (error->sqlerrcode == ERRCODE_UNDEFINED_DATABASE ||
	                          error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE));
}

static void
end_instead(ErrorData *error)
{
	if (is_end(error))
		proc_exit(is_restarted && !server_stops() ? 1 : 0);
	if (previous_hook != NULL)
		previous_hook(error);
}

void
ending_install(bool restarted)
{
	Assert(emit_log_hook != end_instead);
	is_restarted = restarted;
	is_connecting = true;
	previous_hook = emit_log_hook;
	emit_log_hook = end_instead;
}

void
ending_connected(void)
{
	is_connecting = false;
}
