// OpenSSL's libssl: TLS contexts, sessions, certificates. Below the headers is what Swift cannot call: macros with arguments.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static inline int cssl_set_min_version(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}

// No compression (CRIME), no renegotiation (RFC 9113, section 9.2.1), no tickets: every connection is verified anew.
static inline void cssl_set_options(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
}

static inline void cssl_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }

static inline void cssl_set_session_cache_off(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int cssl_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

static inline int cssl_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline void cssl_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline void cssl_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int cssl_error_reason(unsigned long error) { return ERR_GET_REASON(error); }

static inline int cssl_error_library(unsigned long error) { return ERR_GET_LIB(error); }

// The time in seconds since 1970, -1 when it is none.
static inline long long cssl_seconds(const ASN1_TIME *time) {
  struct tm parts;
  if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) return -1;
  return (long long)timegm(&parts);
}

// The subject on one line; answers the number of bytes, 0 when there is none.
static inline int cssl_subject(const X509 *certificate, char *buffer, int size) {
  BIO *bio = BIO_new(BIO_s_mem());
  int count = 0;
  if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
    count = BIO_read(bio, buffer, size);
  BIO_free(bio);
  return count < 0 ? 0 : count;
}
