/*
 * replay.c
 *		Gives files to a fuzz target, one after the other, where libFuzzer is not
 *		wanted: to measure coverage, or without clang.
 */
#include "fuzz.h"

/* The copy has the file's exact size, so that a sanitizer sees a read beyond its end. */
static bool
replay(const char *name)
{
	FILE *file = fopen(name, "rb");
	uint8_t *data;
	long size;
	bool whole;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
	{
		perror(name);
		return false;
	}
	rewind(file);
	data = malloc((size_t) size + (size == 0));
	whole = data != NULL && fread(data, 1, (size_t) size, file) == (size_t) size;
	fclose(file);
	if (whole)
		LLVMFuzzerTestOneInput(data, (size_t) size);
	else
		perror(name);
	free(data);
	return whole;
}

int
main(int argc, char **argv)
{
	bool all = true;

	for (int i = 1; i < argc; i++)
		all = replay(argv[i]) && all;
	return all ? 0 : 1;
}
