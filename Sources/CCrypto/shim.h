// OpenSSL's libcrypto: message digests and their codes.
#pragma once
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static inline int ccrypto_hmac(
    const void *key, size_t key_size, const unsigned char *message, size_t size, unsigned char *code,
    unsigned int *length) {
  return HMAC(EVP_sha256(), key, (int)key_size, message, size, code, length) != NULL;
}
