/*
 * notify.c
 *		One datagram a state, to the socket that NOTIFY_SOCKET names.
 */
#include "notify.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define SEND_TIMEOUT_S 1

bool
notify_wanted(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && *path != '\0';
}

/* A path, or @ and a name in Linux's abstract name space.  0, or an error number. */
static int
send_text(const char *path, const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = SEND_TIMEOUT_S};
	size_t length = strlen(path);
	int error = 0;
	int fd;

	assert(text != NULL);
	if (*path != '/' && *path != '@')
		return EAFNOSUPPORT;
	if (length >= sizeof(address.sun_path))
		return ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *) &address,
	           (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		error = errno;
	close(fd);
	return error;
}

void
notify_send(const char *format, ...)
{
	char text[256];
	va_list arguments;
	int error;

	if (!notify_wanted())
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	error = send_text(getenv("NOTIFY_SOCKET"), text);
	if (error != 0)
		log_line("cannot tell the service manager at \"%s\": %s", getenv("NOTIFY_SOCKET"),
		         strerror(error));
}
