/*
 * tls.h
 *		The certificate and the private key that the shim serves HTTPS with.
 *
 * The pair in use belongs to the whole process.  tls_load may put another pair in
 * its place at any time: connections that are there keep theirs, later ones get
 * the new one.
 */
#ifndef WALLET_SHIM_TLS_H
#define WALLET_SHIM_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>

/* TLS 1.2 and later, and only key exchanges with forward secrecy */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"

/*
 * Reads both files, tries them on each other, and uses them from then on.  False
 * when that fails, with the reason in the log; the pair in use then stays.  By one
 * thread at a time.
 */
bool tls_load(const char *certificate_file, const char *key_file);

/* GnuTLS asks for the pair of a new connection: its gnutls_certificate_retrieve_function2. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **certificates, unsigned *certificate_count,
                 gnutls_privkey_t *key);

#endif /* WALLET_SHIM_TLS_H */
