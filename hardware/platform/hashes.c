/* SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869) by libsodium. HKDF, which it lacks, is made of its HMAC. */

#include <string.h>

#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_hash_sha256.h>

#include "bytes.h"
#include "element.h"
#include "slots.h"

#define HKDF_BYTES_MAX (255 * TALLYSTICK_HASH_BYTES)
/* Longest info that may overlap where more than one block of output goes: it is needed again after the first is written. */
#define OVERLAPPING_INFO_BYTES_MAX 256

int32_t tallystick_sha256(
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *destination,
    uint32_t destination_length) {
  if (destination_length != TALLYSTICK_HASH_BYTES) return TALLYSTICK_INVALID_ARGUMENT;
  if (crypto_hash_sha256(destination, message, message_length) != 0) element_stop();
  return 0;
}

static void hmac_start(crypto_auth_hmacsha256_state *state, const uint8_t *key, uint32_t key_length) {
  if (crypto_auth_hmacsha256_init(state, key, key_length) != 0) element_stop();
}

static void hmac_add(crypto_auth_hmacsha256_state *state, const uint8_t *bytes, uint32_t length) {
  if (length > 0 && crypto_auth_hmacsha256_update(state, bytes, length) != 0) element_stop();
}

static void hmac_end(crypto_auth_hmacsha256_state *state, uint8_t tag[TALLYSTICK_HASH_BYTES]) {
  if (crypto_auth_hmacsha256_final(state, tag) != 0) element_stop();
  bytes_wipe(state, sizeof *state);
}

int32_t tallystick_hmac_sha256(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *destination,
    uint32_t destination_length) {
  if (destination_length != TALLYSTICK_HASH_BYTES) return TALLYSTICK_INVALID_ARGUMENT;
  crypto_auth_hmacsha256_state state;
  hmac_start(&state, key, key_length);
  hmac_add(&state, message, message_length);
  hmac_end(&state, destination);
  return 0;
}

/* Block N is HMAC(extracted, block before | info | N); the first has no block before it. */
static void hkdf_expand(
    const uint8_t extracted[TALLYSTICK_HASH_BYTES],
    const uint8_t *info,
    uint32_t info_length,
    uint8_t *destination,
    uint32_t destination_length) {
  uint8_t block[TALLYSTICK_HASH_BYTES];
  uint8_t number = 1;
  for (uint32_t offset = 0; offset < destination_length; offset += sizeof block) {
    crypto_auth_hmacsha256_state state;
    hmac_start(&state, extracted, TALLYSTICK_HASH_BYTES);
    if (offset > 0) hmac_add(&state, block, sizeof block);
    hmac_add(&state, info, info_length);
    hmac_add(&state, &number, 1);
    hmac_end(&state, block);
    uint32_t left = destination_length - offset;
    memcpy(destination + offset, block, left < sizeof block ? left : sizeof block);
    number++;
  }
  bytes_wipe(block, sizeof block);
}

int32_t tallystick_hkdf_sha256(
    const uint8_t *salt,
    uint32_t salt_length,
    const uint8_t *material,
    uint32_t material_length,
    const uint8_t *info,
    uint32_t info_length,
    uint8_t *destination,
    uint32_t destination_length) {
  if (destination_length > HKDF_BYTES_MAX) return TALLYSTICK_INVALID_ARGUMENT;
  uint8_t info_copy[OVERLAPPING_INFO_BYTES_MAX];
  bool is_overwritten = destination_length > TALLYSTICK_HASH_BYTES &&
                        bytes_overlap(info, info_length, destination, destination_length);
  if (is_overwritten) {
    if (info_length > sizeof info_copy) return TALLYSTICK_INVALID_ARGUMENT;
    memcpy(info_copy, info, info_length);
    info = info_copy;
  }
  /* An empty salt stands for zeros (RFC 5869, 2.2), which is what HMAC makes of an empty key. */
  uint8_t extracted[TALLYSTICK_HASH_BYTES];
  crypto_auth_hmacsha256_state state;
  hmac_start(&state, salt, salt_length);
  hmac_add(&state, material, material_length);
  hmac_end(&state, extracted);
  hkdf_expand(extracted, info, info_length, destination, destination_length);
  bytes_wipe(extracted, sizeof extracted);
  if (is_overwritten) bytes_wipe(info_copy, sizeof info_copy);
  return 0;
}

int32_t tallystick_slot_derive(
    uint32_t slot,
    const uint8_t *info,
    uint32_t info_length,
    uint8_t *destination,
    uint32_t destination_length) {
  int32_t status = slot_require(slot, TALLYSTICK_KEY_KIND_SECRET);
  if (status != 0) return status;
  static const uint8_t no_salt[1];
  const uint8_t *secret = slot_secret(slot);
  return tallystick_hkdf_sha256(
      no_salt, 0, secret, TALLYSTICK_KEY_BYTES, info, info_length, destination, destination_length);
}
