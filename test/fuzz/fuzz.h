/*
 * fuzz.h
 *		What the fuzz targets share.
 *
 * Each target is one file with the function that libFuzzer calls.  It checks
 * properties with EXPECT, which ends the program: the input is then kept and
 * can be given to the program again.  Built with replay.c in place of
 * libFuzzer, a target runs over the files that it is given.
 */
#ifndef WALLET_FUZZ_H
#define WALLET_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition, ...)                                                                     \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
		{                                                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n  ", __FILE__, __LINE__, #condition);              \
			fprintf(stderr, __VA_ARGS__);                                                          \
			fputc('\n', stderr);                                                                   \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

/* What is left of the input; where there is nothing left, zeros follow. */
typedef struct Input
{
	const uint8_t *data;
	size_t size;
} Input;

static inline uint8_t
take_byte(Input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/* One of 0 … count - 1. */
static inline int
take_below(Input *input, int count)
{
	return take_byte(input) % count;
}

/* Any number, small ones and the ends of the range more often than the rest. */
static inline int64_t
take_int64(Input *input)
{
	uint8_t how = take_byte(input);
	int length = how % 9;
	uint64_t value = 0;

	for (int i = 0; i < length; i++)
		value = value << 8 | take_byte(input);
	switch (how / 9 % 4)
	{
		case 0:
			return (int64_t) value;
		case 1:
			return (int64_t) (0 - value);
		case 2:
			return INT64_MAX - (int64_t) (value & 0xFF);
		default:
			return INT64_MIN + (int64_t) (value & 0xFF);
	}
}

#endif /* WALLET_FUZZ_H */
