/*
 * tls.h
 *		The certificate and the private key that the shim serves HTTPS with.
 */
#ifndef WALLET_SHIM_TLS_H
#define WALLET_SHIM_TLS_H

#include <stdbool.h>

/* TLS 1.2 and later, and of what these have only what keeps old sessions secret. */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"

typedef struct Tls
{
	char *certificate; /* PEM: the server's own first, then those that vouch for it */
	char *key;         /* PEM */
} Tls;

/*
 * Reads both files and tries them on each other.  False when that fails, with
 * the reason in the log.  What was read is kept for as long as the process lives.
 */
bool tls_load(Tls *tls, const char *certificate_file, const char *key_file);

#endif /* WALLET_SHIM_TLS_H */
