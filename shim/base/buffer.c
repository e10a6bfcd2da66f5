/*
 * buffer.c
 *		Bytes that grow.
 */
#include "base/buffer.h"

#include <assert.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE_MIN 256

void
buffer_reset(Buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	*buffer = (Buffer){0};
}

/* Makes room for size bytes more; doubles, so that appending stays linear. */
static bool
buffer_reserve(Buffer *buffer, size_t size)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_SIZE_MIN;
	char *data;

	if (buffer->failed)
		return false;
	if (size <= buffer->capacity - buffer->length)
		return true;
	while (capacity - buffer->length < size)
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (data == NULL)
	{
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void
buffer_put(Buffer *buffer, const void *bytes, size_t size)
{
	if (size == 0 || !buffer_reserve(buffer, size))
		return;
	memcpy(buffer->data + buffer->length, bytes, size);
	buffer->length += size;
}

void
buffer_puts(Buffer *buffer, const char *text)
{
	buffer_put(buffer, text, strlen(text));
}

void
buffer_printf(Buffer *buffer, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	assert(length >= 0);
	if (length > 0)
		buffer_put(buffer, text,
		           (size_t) length < sizeof(text) ? (size_t) length : sizeof(text) - 1);
}

void
buffer_put_int32(Buffer *buffer, int32_t value)
{
	uint32_t network = htobe32((uint32_t) value);

	buffer_put(buffer, &network, sizeof(network));
}

void
buffer_put_int64(Buffer *buffer, int64_t value)
{
	uint64_t network = htobe64((uint64_t) value);

	buffer_put(buffer, &network, sizeof(network));
}
