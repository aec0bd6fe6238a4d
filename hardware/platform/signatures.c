/*
 * Ed25519 (RFC 8032) and X25519 (RFC 7748) by libsodium. Its verification is the strict rule of the interface: S < L, canonical
 * encodings, no small-order public key or R, equation without cofactor. Secrets that it expands are wiped here.
 */

#include <string.h>

#include <sodium/crypto_scalarmult_curve25519.h>
#include <sodium/crypto_sign_ed25519.h>

#include "bytes.h"
#include "cryptography.h"
#include "element.h"
#include "slots.h"

_Static_assert(crypto_sign_ed25519_SECRETKEYBYTES == 2 * TALLYSTICK_KEY_BYTES, "a seed, then its public key");

void cryptography_ed25519_public(const uint8_t seed[TALLYSTICK_KEY_BYTES], uint8_t public_key[TALLYSTICK_KEY_BYTES]) {
  uint8_t secret_key[crypto_sign_ed25519_SECRETKEYBYTES];
  if (crypto_sign_ed25519_seed_keypair(public_key, secret_key, seed) != 0) element_stop();
  bytes_wipe(secret_key, sizeof secret_key);
}

void cryptography_x25519_public(const uint8_t secret[TALLYSTICK_KEY_BYTES], uint8_t public_key[TALLYSTICK_KEY_BYTES]) {
  if (crypto_scalarmult_curve25519_base(public_key, secret) != 0) element_stop();
}

int32_t tallystick_ed25519_sign(
    uint32_t slot,
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *signature,
    uint32_t signature_length) {
  int32_t status = slot_require(slot, TALLYSTICK_KEY_KIND_ED25519);
  if (status != 0) return status;
  if (signature_length != TALLYSTICK_SIGNATURE_BYTES) return TALLYSTICK_INVALID_ARGUMENT;
  if (bytes_overlap(message, message_length, signature, signature_length)) return TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *public_key = slot_public_key(slot);
  uint8_t secret_key[crypto_sign_ed25519_SECRETKEYBYTES];
  memcpy(secret_key, slot_secret(slot), TALLYSTICK_KEY_BYTES);
  memcpy(secret_key + TALLYSTICK_KEY_BYTES, public_key, TALLYSTICK_KEY_BYTES);
  int failure = crypto_sign_ed25519_detached(signature, NULL, message, message_length, secret_key);
  bytes_wipe(secret_key, sizeof secret_key);
  if (failure != 0) element_stop();
  return 0;
}

int32_t tallystick_ed25519_verify(
    const uint8_t *public_key,
    uint32_t public_key_length,
    const uint8_t *message,
    uint32_t message_length,
    const uint8_t *signature,
    uint32_t signature_length) {
  bool is_sized = public_key_length == TALLYSTICK_KEY_BYTES && signature_length == TALLYSTICK_SIGNATURE_BYTES;
  if (!is_sized) return TALLYSTICK_INVALID_ARGUMENT;
  bool is_good = crypto_sign_ed25519_verify_detached(signature, message, message_length, public_key) == 0;
  return is_good ? 0 : TALLYSTICK_BAD_SIGNATURE;
}

int32_t tallystick_x25519_agree(
    uint32_t slot,
    const uint8_t *public_key,
    uint32_t public_key_length,
    uint8_t *destination,
    uint32_t destination_length) {
  int32_t status = slot_require(slot, TALLYSTICK_KEY_KIND_X25519);
  if (status != 0) return status;
  bool is_sized = public_key_length == TALLYSTICK_KEY_BYTES && destination_length == TALLYSTICK_KEY_BYTES;
  if (!is_sized) return TALLYSTICK_INVALID_ARGUMENT;
  /* The library writes into its output even when it refuses. */
  uint8_t shared[TALLYSTICK_KEY_BYTES];
  bool is_good = crypto_scalarmult_curve25519(shared, slot_secret(slot), public_key) == 0;
  if (is_good) memcpy(destination, shared, sizeof shared);
  bytes_wipe(shared, sizeof shared);
  return is_good ? 0 : TALLYSTICK_BAD_KEY;
}
