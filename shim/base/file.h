/*
 * file.h
 *		Small files that are read as a whole.
 */
#ifndef WALLET_SHIM_FILE_H
#define WALLET_SHIM_FILE_H

/*
 * The file as a C string, to be freed by the caller; NULL when it cannot be read, with the reason
 * in the log.  secret: what a file is that not everybody on this machine may read; NULL: it is
 * none.
 */
char *file_load(const char *name, const char *secret);

#endif /* WALLET_SHIM_FILE_H */
