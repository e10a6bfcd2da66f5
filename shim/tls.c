/*
 * tls.c
 *		Finds out at the start, not at the first client, what is wrong with the files.
 */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"

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

/* is_secret: refuses a file that everybody on this machine may read. */
static char *
load_file(const char *name, bool is_secret)
{
	FILE *file = fopen(name, "re");
	struct stat info;
	char *text = NULL;

	if (file == NULL || fstat(fileno(file), &info) != 0)
		log_line("cannot open the file \"%s\": %s", name, strerror(errno));
	else if (is_secret && (info.st_mode & S_IRWXO))
		log_line("the private key \"%s\" must not be open to everybody: chmod o= it", name);
	else
		text = read_file(file, name);
	if (file != NULL)
		fclose(file);
	return text;
}

bool
tls_load(Tls *tls, const char *certificate_file, const char *key_file)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t certificate;
	gnutls_datum_t key;
	int result;

	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
	{
		log_line("cannot serve TLS: this libmicrohttpd was built without it");
		return false;
	}
	tls->certificate = load_file(certificate_file, false);
	tls->key = tls->certificate ? load_file(key_file, true) : NULL;
	if (tls->key == NULL)
		return false;
	certificate =
	    (gnutls_datum_t){(unsigned char *) tls->certificate, (unsigned) strlen(tls->certificate)};
	key = (gnutls_datum_t){(unsigned char *) tls->key, (unsigned) strlen(tls->key)};
	result = gnutls_certificate_allocate_credentials(&credentials);
	if (result == 0)
	{
		result = gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key,
		                                             GNUTLS_X509_FMT_PEM);
		gnutls_certificate_free_credentials(credentials);
	}
	if (result < 0)
		log_line("cannot use the certificate \"%s\" with the private key \"%s\": %s",
		         certificate_file, key_file, gnutls_strerror(result));
	return result >= 0;
}
