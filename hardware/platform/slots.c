#include "slots.h"

#include <string.h>

#include "bytes.h"
#include "cryptography.h"
#include "element.h"
#include "random.h"

static uint8_t *slot_at(uint32_t slot) {
  return element_current->registers + COUNTER_BYTES + slot * SLOT_BYTES;
}

const uint8_t *slot_secret(uint32_t slot) {
  return slot_at(slot) + 1;
}

int32_t slot_require(uint32_t slot, uint32_t kind) {
  if (slot >= SLOTS) return TALLYSTICK_INVALID_ARGUMENT;
  uint32_t held = *slot_at(slot);
  if (held == TALLYSTICK_KEY_KIND_EMPTY) return TALLYSTICK_SLOT_EMPTY;
  return held == kind ? 0 : TALLYSTICK_WRONG_KIND;
}

static struct public_key *known_public_key(uint32_t slot) {
  for (uint32_t i = 0; i < PUBLIC_KEYS_MAX; i++) {
    struct public_key *key = &element_current->public_keys[i];
    if (key->is_known && key->slot == slot) return key;
  }
  return NULL;
}

static struct public_key *place_for_public_key(void) {
  for (uint32_t i = 0; i < PUBLIC_KEYS_MAX; i++) {
    if (!element_current->public_keys[i].is_known) return &element_current->public_keys[i];
  }
  uint32_t oldest = element_current->public_key_oldest;
  element_current->public_key_oldest = (oldest + 1) % PUBLIC_KEYS_MAX;
  return &element_current->public_keys[oldest];
}

const uint8_t *slot_public_key(uint32_t slot) {
  struct public_key *key = known_public_key(slot);
  if (key != NULL) return key->bytes;
  key = place_for_public_key();
  key->is_known = true;
  key->slot = (uint8_t)slot;
  if (*slot_at(slot) == TALLYSTICK_KEY_KIND_ED25519) cryptography_ed25519_public(slot_secret(slot), key->bytes);
  else cryptography_x25519_public(slot_secret(slot), key->bytes);
  return key->bytes;
}

static void slot_set(uint32_t slot, uint8_t kind, const uint8_t secret[TALLYSTICK_KEY_BYTES]) {
  uint8_t *at = slot_at(slot);
  *at = kind;
  memmove(at + 1, secret, TALLYSTICK_KEY_BYTES);
  struct public_key *known = known_public_key(slot);
  if (known != NULL) known->is_known = false;
}

static void slot_keep(uint32_t slot) {
  if (slot < TALLYSTICK_SLOTS_PERSISTENT) element_save_registers();
}

int32_t tallystick_slot_kind(uint32_t slot) {
  return slot < SLOTS ? *slot_at(slot) : TALLYSTICK_INVALID_ARGUMENT;
}

int32_t tallystick_slot_generate(uint32_t slot, uint32_t kind) {
  bool is_known = kind == TALLYSTICK_KEY_KIND_ED25519 || kind == TALLYSTICK_KEY_KIND_X25519 ||
                  kind == TALLYSTICK_KEY_KIND_SECRET;
  if (slot >= SLOTS || !is_known) return TALLYSTICK_INVALID_ARGUMENT;
  uint8_t secret[TALLYSTICK_KEY_BYTES];
  if (!random_draw(secret, sizeof secret)) return TALLYSTICK_RANDOM_FAILURE;
  slot_set(slot, (uint8_t)kind, secret);
  bytes_wipe(secret, sizeof secret);
  slot_keep(slot);
  return 0;
}

int32_t tallystick_slot_put(uint32_t slot, const uint8_t *secret, uint32_t secret_length) {
  if (slot >= SLOTS || secret_length != TALLYSTICK_KEY_BYTES) return TALLYSTICK_INVALID_ARGUMENT;
  slot_set(slot, TALLYSTICK_KEY_KIND_SECRET, secret);
  slot_keep(slot);
  return 0;
}

int32_t tallystick_slot_erase(uint32_t slot) {
  static const uint8_t nothing[TALLYSTICK_KEY_BYTES];
  if (slot >= SLOTS) return TALLYSTICK_INVALID_ARGUMENT;
  if (*slot_at(slot) == TALLYSTICK_KEY_KIND_EMPTY) return 0;
  slot_set(slot, TALLYSTICK_KEY_KIND_EMPTY, nothing);
  slot_keep(slot);
  return 0;
}

int32_t tallystick_slot_public(uint32_t slot, uint8_t *destination, uint32_t destination_length) {
  if (slot >= SLOTS || destination_length != TALLYSTICK_KEY_BYTES) return TALLYSTICK_INVALID_ARGUMENT;
  uint32_t kind = *slot_at(slot);
  if (kind == TALLYSTICK_KEY_KIND_EMPTY) return TALLYSTICK_SLOT_EMPTY;
  if (kind != TALLYSTICK_KEY_KIND_ED25519 && kind != TALLYSTICK_KEY_KIND_X25519) return TALLYSTICK_WRONG_KIND;
  memcpy(destination, slot_public_key(slot), TALLYSTICK_KEY_BYTES);
  return 0;
}
