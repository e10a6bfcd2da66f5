/*
 * file.c
 *		Small files that are read as a whole.
 */
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

#define FILE_SIZE_MAX (1024 * 1024)

/* The file as a C string, NULL when it cannot be read. */
static char *
read_file(FILE *file, const char *name)
{
	char *text = calloc(1, FILE_SIZE_MAX + 1);
	size_t size = text ? fread(text, 1, FILE_SIZE_MAX + 1, file) : 0;

	if (text != NULL && size <= FILE_SIZE_MAX && !ferror(file))
	{
		text[size] = '\0';
		return text;
	}
	log_line("cannot read the file \"%s\": %s", name,
	         size > FILE_SIZE_MAX ? "it is too large" : strerror(errno));
	free(text);
	return NULL;
}

char *
file_load(const char *name, const char *secret)
{
	FILE *file = fopen(name, "re");
	struct stat info;
	char *text = NULL;

	if (file == NULL || fstat(fileno(file), &info) != 0)
		log_line("cannot open the file \"%s\": %s", name, strerror(errno));
	else if (secret != NULL && (info.st_mode & S_IRWXO))
		log_line("the %s \"%s\" must not be open to everybody: chmod o= it", secret, name);
	else
		text = read_file(file, name);
	if (file != NULL)
		fclose(file);
	return text;
}
