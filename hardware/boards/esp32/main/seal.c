#include "seal.h"

#include <string.h>

#include "platform/bytes.h"

#if CONFIG_TALLYSTICK_SEALED

#include "esp_hmac.h"
#include "esp_random.h"

#define ERASED 0xff

static const uint8_t purpose[] = {'t', 'a', 'l', 'l', 'y', 's', 't', 'i', 'c', 'k', ' ', 'r', 'e', 'g', 'i', 's', 't', 'e', 'r', 's'};

/* Made each time, so that it does not lie in memory between. */
static bool key_of_chip(uint8_t key[TALLYSTICK_KEY_BYTES]) {
  hmac_key_id_t block = (hmac_key_id_t)(HMAC_KEY0 + CONFIG_TALLYSTICK_SEALED_BLOCK);
  return esp_hmac_calculate(block, purpose, sizeof purpose, key) == ESP_OK;
}

bool seal(uint32_t element, const uint8_t copy[COPY_BYTES], uint8_t sealed[SEALED_BYTES]) {
  uint8_t key[TALLYSTICK_KEY_BYTES];
  uint8_t number = (uint8_t)element;
  /* A number in turn would be used twice: for a write that power interrupted, and for the one after it. */
  esp_fill_random(sealed, SEAL_NONCE_BYTES);
  bool is_sealed = key_of_chip(key);
  if (is_sealed) {
    is_sealed = tallystick_aead_seal(
                    key,
                    sizeof key,
                    sealed,
                    SEAL_NONCE_BYTES,
                    &number,
                    sizeof number,
                    copy,
                    COPY_BYTES,
                    sealed + SEAL_NONCE_BYTES,
                    COPY_BYTES + SEAL_TAG_BYTES) == 0;
  }
  bytes_wipe(key, sizeof key);
  return is_sealed;
}

static bool is_erased(const uint8_t sealed[SEALED_BYTES]) {
  for (uint32_t i = 0; i < SEALED_BYTES; i++) {
    if (sealed[i] != ERASED) return false;
  }
  return true;
}

bool unseal(uint32_t element, const uint8_t sealed[SEALED_BYTES], uint8_t copy[COPY_BYTES]) {
  uint8_t key[TALLYSTICK_KEY_BYTES];
  uint8_t number = (uint8_t)element;
  if (is_erased(sealed)) {
    memset(copy, ERASED, COPY_BYTES);
    return true;
  }
  bool is_keyed = key_of_chip(key);
  int32_t status = TALLYSTICK_BAD_TAG;
  if (is_keyed) {
    status = tallystick_aead_open(
        key,
        sizeof key,
        sealed,
        SEAL_NONCE_BYTES,
        &number,
        sizeof number,
        sealed + SEAL_NONCE_BYTES,
        COPY_BYTES + SEAL_TAG_BYTES,
        copy,
        COPY_BYTES);
  }
  bytes_wipe(key, sizeof key);
  if (status != 0) bytes_wipe(copy, COPY_BYTES);
  return is_keyed;
}

#else

bool seal(uint32_t element, const uint8_t copy[COPY_BYTES], uint8_t sealed[SEALED_BYTES]) {
  (void)element;
  memcpy(sealed, copy, COPY_BYTES);
  return true;
}

bool unseal(uint32_t element, const uint8_t sealed[SEALED_BYTES], uint8_t copy[COPY_BYTES]) {
  (void)element;
  memcpy(copy, sealed, COPY_BYTES);
  return true;
}

#endif
