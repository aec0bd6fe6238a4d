/* ChaCha20-Poly1305 (RFC 8439) by libsodium. */

#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_stream_chacha20.h>

#include "bytes.h"
#include "element.h"

/* Of the key stream, block 0 makes the key of the tag; the plaintext's begins with this one. */
#define FIRST_BLOCK 1

struct text {
  const uint8_t *bytes;
  uint32_t length;
};

/* The text becomes another at the same place or apart, and what is written touches neither key, nonce nor associated data. */
static bool may_write(
    const uint8_t *destination,
    uint32_t destination_length,
    struct text text,
    struct text key,
    struct text nonce,
    struct text associated) {
  if (key.length != TALLYSTICK_KEY_BYTES || nonce.length != TALLYSTICK_NONCE_BYTES) return false;
  if (text.bytes != destination && bytes_overlap(text.bytes, text.length, destination, destination_length)) return false;
  return !bytes_overlap(associated.bytes, associated.length, destination, destination_length) &&
         !bytes_overlap(key.bytes, key.length, destination, destination_length) &&
         !bytes_overlap(nonce.bytes, nonce.length, destination, destination_length);
}

int32_t tallystick_aead_seal(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *nonce,
    uint32_t nonce_length,
    const uint8_t *associated,
    uint32_t associated_length,
    const uint8_t *plaintext,
    uint32_t plaintext_length,
    uint8_t *ciphertext,
    uint32_t ciphertext_length) {
  bool fits = (uint64_t)ciphertext_length == (uint64_t)plaintext_length + TALLYSTICK_TAG_BYTES;
  struct text from = {plaintext, plaintext_length};
  struct text with = {key, key_length};
  struct text once = {nonce, nonce_length};
  struct text beside = {associated, associated_length};
  if (!fits || !may_write(ciphertext, ciphertext_length, from, with, once, beside)) {
    return TALLYSTICK_INVALID_ARGUMENT;
  }
  int failure = crypto_aead_chacha20poly1305_ietf_encrypt(
      ciphertext, NULL, plaintext, plaintext_length, associated, associated_length, NULL, nonce, key);
  if (failure != 0) element_stop();
  return 0;
}

int32_t tallystick_aead_open(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *nonce,
    uint32_t nonce_length,
    const uint8_t *associated,
    uint32_t associated_length,
    const uint8_t *ciphertext,
    uint32_t ciphertext_length,
    uint8_t *plaintext,
    uint32_t plaintext_length) {
  bool fits = (uint64_t)ciphertext_length == (uint64_t)plaintext_length + TALLYSTICK_TAG_BYTES;
  struct text from = {ciphertext, ciphertext_length};
  struct text with = {key, key_length};
  struct text once = {nonce, nonce_length};
  struct text beside = {associated, associated_length};
  if (!fits || !may_write(plaintext, plaintext_length, from, with, once, beside)) {
    return TALLYSTICK_INVALID_ARGUMENT;
  }
  /* The library wipes the plaintext when the tag is wrong; it is to stay as it was. So the tag first, and then the text. */
  const uint8_t *tag = ciphertext + plaintext_length;
  int wrong = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
      NULL, NULL, ciphertext, plaintext_length, tag, associated, associated_length, nonce, key);
  if (wrong != 0) return TALLYSTICK_BAD_TAG;
  if (crypto_stream_chacha20_ietf_xor_ic(plaintext, ciphertext, plaintext_length, nonce, FIRST_BLOCK, key) != 0) {
    element_stop();
  }
  return 0;
}
