/*
 * tls.c
 *		Finds out at the start, not at the first client, what is wrong with the files.
 *
 * A pair of certificate and key is made by the main thread, and never changed
 * afterwards; the event loops read it without a lock through an atomic pointer.
 * Sessions point into their pair for as long as they last, so no pair is ever
 * freed: that costs some 10 KB for each renewal of the certificate.
 */
#include "http/tls.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define CHAIN_MAX 16 /* certificates in a file: the server's own, and those that vouch for it */

typedef struct Pair
{
	struct Pair *previous; /* what was used before, and may still be */
	char *certificate_text;
	char *key_text;
	gnutls_pcert_st certificates[CHAIN_MAX];
	unsigned certificate_count;
	gnutls_privkey_t key;
} Pair;

static _Atomic(Pair *) current;

static gnutls_datum_t
datum_of(char *text)
{
	return (gnutls_datum_t){(unsigned char *) text, (unsigned) strlen(text)};
}

/* Whether the key is that of the first certificate: GnuTLS's result, below zero when it is not. */
static int
try_pair(const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t credentials;
	int result = gnutls_certificate_allocate_credentials(&credentials);

	if (result < 0)
		return result;
	result =
	    gnutls_certificate_set_x509_key_mem(credentials, certificate, key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return result;
}

/* Fills a pair from its texts; GnuTLS's result.  What is there by then pair_free frees. */
static int
pair_import(Pair *pair)
{
	gnutls_datum_t certificate = datum_of(pair->certificate_text);
	gnutls_datum_t key = datum_of(pair->key_text);
	unsigned count = CHAIN_MAX;
	int result = try_pair(&certificate, &key);

	if (result < 0)
		return result;
	result = gnutls_pcert_list_import_x509_raw(pair->certificates, &count, &certificate,
	                                           GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
	if (result < 0)
		return result;
	pair->certificate_count = count;
	result = gnutls_privkey_init(&pair->key);
	if (result < 0)
		return result;
	return gnutls_privkey_import_x509_raw(pair->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static void
text_free(char *text)
{
	if (text != NULL)
		gnutls_memset(text, 0, strlen(text));
	free(text);
}

/* A pair that no session has seen. */
static void
pair_free(Pair *pair)
{
	for (unsigned i = 0; i < pair->certificate_count; i++)
		gnutls_pcert_deinit(&pair->certificates[i]);
	if (pair->key != NULL)
		gnutls_privkey_deinit(pair->key);
	text_free(pair->certificate_text);
	text_free(pair->key_text);
	free(pair);
}

/* Makes the pair of two files; NULL when that fails, with the reason in the log. */
static Pair *
pair_load(const char *certificate_file, const char *key_file)
{
	Pair *pair = calloc(1, sizeof(Pair));
	int result;

	if (pair == NULL)
	{
		log_line("no memory for a certificate");
		return NULL;
	}
	pair->certificate_text = file_load(certificate_file, NULL);
	pair->key_text = pair->certificate_text ? file_load(key_file, "private key") : NULL;
	if (pair->key_text != NULL)
	{
		result = pair_import(pair);
		if (result >= 0)
			return pair;
		log_line("cannot use the certificate \"%s\" with the private key \"%s\": %s",
		         certificate_file, key_file, gnutls_strerror(result));
	}
	pair_free(pair);
	return NULL;
}

bool
tls_load(const char *certificate_file, const char *key_file)
{
	Pair *previous = atomic_load(&current);
	Pair *pair;

	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES ||
	    MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK) != MHD_YES)
	{
		log_line("cannot serve TLS: this libmicrohttpd was built without it");
		return false;
	}
	pair = pair_load(certificate_file, key_file);
	if (pair == NULL)
		return false;
	if (previous != NULL && strcmp(pair->certificate_text, previous->certificate_text) == 0 &&
	    strcmp(pair->key_text, previous->key_text) == 0)
	{
		pair_free(pair);
		return true;
	}
	pair->previous = previous;
	atomic_store(&current, pair);
	return true;
}

int
tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
             const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
             gnutls_pcert_st **certificates, unsigned *certificate_count, gnutls_privkey_t *key)
{
	Pair *pair = atomic_load(&current);

	(void) session;
	(void) authorities;
	(void) authority_count;
	(void) algorithms;
	(void) algorithm_count;
	assert(pair != NULL);
	*certificates = pair->certificates;
	*certificate_count = pair->certificate_count;
	*key = pair->key;
	return 0;
}
