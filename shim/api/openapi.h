/*
 * openapi.h
 *		The text of openapi.json, which the Makefile builds in.
 */
#ifndef WALLET_SHIM_OPENAPI_H
#define WALLET_SHIM_OPENAPI_H

extern const unsigned char openapi_json[];
extern const unsigned int openapi_json_length;

#endif /* WALLET_SHIM_OPENAPI_H */
