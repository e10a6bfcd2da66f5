/*
 * ending.c
 *		A background process that is told to end leaves no error in the log.
 *
 * SIGTERM is die(): the next check for interrupts raises a FATAL error, whatever the process is
 * doing then.  The error would stand in the log, and the exit status 1 that follows makes the
 * postmaster log one more line.  But nothing has failed: somebody has stopped the server, or
 * dropped the database.  So the hook below sees the error before it is written, and ends the
 * process itself.  All that ends a process runs as after the error.
 *
 * A process that exits with 0 is never started again.  A worker needs no more, since it asks the
 * launcher for the next one.  The launcher exits with 0 only while the server stops.
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

/* Does the server stop?  The postmaster writes that to its file before it signals anybody. */
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
 * Does this error say no more than that the process has to end?  While a process connects, the
 * database may go, or be closed to all: whoever has done that knows it.
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
