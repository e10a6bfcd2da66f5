/*
 * buffer.h
 *		Bytes that grow: bodies, parameters of a batch, answers.
 *
 * A buffer is kept and used again, so that a busy shim hardly allocates.  When
 * memory runs out the buffer is marked as failed and stays so until it is
 * reset: the writer need not look after each piece, only once at the end.
 */
#ifndef WALLET_SHIM_BUFFER_H
#define WALLET_SHIM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buffer
{
	char *data;
	size_t length;
	size_t capacity;
	bool failed;
} Buffer;

/* Empties the buffer and keeps its memory. */
void buffer_reset(Buffer *buffer);

/* Gives the memory back; the buffer may be used again. */
void buffer_free(Buffer *buffer);

/* Appends size bytes. */
void buffer_put(Buffer *buffer, const void *bytes, size_t size);

/* Appends a C string without its end. */
void buffer_puts(Buffer *buffer, const char *text);

/* Appends what printf would write, at most 1023 bytes of it. */
void buffer_printf(Buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends integers in network byte order, as PostgreSQL's binary formats want them. */
void buffer_put_int32(Buffer *buffer, int32_t value);
void buffer_put_int64(Buffer *buffer, int64_t value);

#endif /* WALLET_SHIM_BUFFER_H */
