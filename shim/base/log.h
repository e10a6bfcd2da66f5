/*
 * log.h
 *		Lines to stderr, the clock, and how a thread wakes an event loop.
 */
#ifndef WALLET_SHIM_LOG_H
#define WALLET_SHIM_LOG_H

#include <stdint.h>

/* Writes one line with the program's name in front; never a body, key or handshake. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Milliseconds on a clock that never goes back. */
int64_t clock_ms(void);

/* Makes an eventfd readable; 0, or -1 with errno. */
int eventfd_signal(int fd);

#endif /* WALLET_SHIM_LOG_H */
