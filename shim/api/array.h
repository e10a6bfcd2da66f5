/*
 * array.h
 *		The elements of a JSON array, as the texts that they are.
 */
#ifndef WALLET_SHIM_ARRAY_H
#define WALLET_SHIM_ARRAY_H

#include <stddef.h>

#include "base/codes.h"
#include "base/text.h"

/*
 * Cuts a JSON array into its elements, each without the blanks around it.  The
 * first slices_max of them are written to slices; count gets the number of all.
 * Only strings, escapes, brackets and commas are looked at: whether an element
 * is valid JSON is found out by who reads it.
 *
 * CODE_OK, CODE_INVALID_JSON where the array is cut, lacks an element or is
 * followed by something, or CODE_NOT_AN_ARRAY.
 */
WalletCode array_split(const char *text, size_t length, Slice *slices, size_t slices_max,
                       size_t *count);

#endif /* WALLET_SHIM_ARRAY_H */
