/*
 * log.c
 *		Lines to stderr, the clock, the eventfd.
 */
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void
log_line(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "wallet-shim: %s\n", text);
}

int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
eventfd_signal(int fd)
{
	uint64_t one = 1;

	assert(fd >= 0);
	return write(fd, &one, sizeof(one)) == (ssize_t) sizeof(one) ? 0 : -1;
}
