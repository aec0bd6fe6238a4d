/* Generated from firmware/platform/interface.ts by `npm run generate`: do not edit. */
#include "binding.h"
#include "platform.generated.h"

uint32_t w2c_tallystick_flash_page_size(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_flash_page_size();
}

uint32_t w2c_tallystick_flash_page_count(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_flash_page_count();
}

uint32_t w2c_tallystick_flash_word_size(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_flash_word_size();
}

uint32_t w2c_tallystick_flash_read(
    struct w2c_tallystick *applet,
    uint32_t address,
    uint32_t destination_address,
    uint32_t destination_length) {
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_flash_read(address, destination, destination_length);
}

uint32_t w2c_tallystick_flash_program(
    struct w2c_tallystick *applet,
    uint32_t address,
    uint32_t source_address,
    uint32_t source_length) {
  const uint8_t *source = binding_view(applet, source_address, source_length);
  if (source == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_flash_program(address, source, source_length);
}

uint32_t w2c_tallystick_flash_erase(struct w2c_tallystick *applet, uint32_t page) {
  (void)applet;
  return (uint32_t)tallystick_flash_erase(page);
}

uint32_t w2c_tallystick_random_bytes(
    struct w2c_tallystick *applet,
    uint32_t destination_address,
    uint32_t destination_length) {
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_random_bytes(destination, destination_length);
}

uint32_t w2c_tallystick_clock_seconds(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_clock_seconds();
}

uint32_t w2c_tallystick_counter_read(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_counter_read();
}

uint32_t w2c_tallystick_counter_increment(struct w2c_tallystick *applet) {
  (void)applet;
  return (uint32_t)tallystick_counter_increment();
}

uint32_t w2c_tallystick_slot_kind(struct w2c_tallystick *applet, uint32_t slot) {
  (void)applet;
  return (uint32_t)tallystick_slot_kind(slot);
}

uint32_t w2c_tallystick_slot_generate(struct w2c_tallystick *applet, uint32_t slot, uint32_t kind) {
  (void)applet;
  return (uint32_t)tallystick_slot_generate(slot, kind);
}

uint32_t w2c_tallystick_slot_put(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t secret_address,
    uint32_t secret_length) {
  if (secret_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *secret = binding_view(applet, secret_address, secret_length);
  if (secret == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_slot_put(slot, secret, secret_length);
}

uint32_t w2c_tallystick_slot_erase(struct w2c_tallystick *applet, uint32_t slot) {
  (void)applet;
  return (uint32_t)tallystick_slot_erase(slot);
}

uint32_t w2c_tallystick_slot_public(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t destination_address,
    uint32_t destination_length) {
  if (destination_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_slot_public(slot, destination, destination_length);
}

uint32_t w2c_tallystick_slot_derive(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t info_address,
    uint32_t info_length,
    uint32_t destination_address,
    uint32_t destination_length) {
  const uint8_t *info = binding_view(applet, info_address, info_length);
  if (info == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_slot_derive(slot, info, info_length, destination, destination_length);
}

uint32_t w2c_tallystick_ed25519_sign(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t signature_address,
    uint32_t signature_length) {
  const uint8_t *message = binding_view(applet, message_address, message_length);
  if (message == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (signature_length != 64) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *signature = binding_view(applet, signature_address, signature_length);
  if (signature == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_ed25519_sign(slot, message, message_length, signature, signature_length);
}

uint32_t w2c_tallystick_ed25519_verify(
    struct w2c_tallystick *applet,
    uint32_t public_key_address,
    uint32_t public_key_length,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t signature_address,
    uint32_t signature_length) {
  if (public_key_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *public_key = binding_view(applet, public_key_address, public_key_length);
  if (public_key == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *message = binding_view(applet, message_address, message_length);
  if (message == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (signature_length != 64) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *signature = binding_view(applet, signature_address, signature_length);
  if (signature == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_ed25519_verify(
      public_key,
      public_key_length,
      message,
      message_length,
      signature,
      signature_length);
}

uint32_t w2c_tallystick_x25519_agree(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t public_key_address,
    uint32_t public_key_length,
    uint32_t destination_address,
    uint32_t destination_length) {
  if (public_key_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *public_key = binding_view(applet, public_key_address, public_key_length);
  if (public_key == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (destination_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_x25519_agree(slot, public_key, public_key_length, destination, destination_length);
}

uint32_t w2c_tallystick_sha256(
    struct w2c_tallystick *applet,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t destination_address,
    uint32_t destination_length) {
  const uint8_t *message = binding_view(applet, message_address, message_length);
  if (message == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (destination_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_sha256(message, message_length, destination, destination_length);
}

uint32_t w2c_tallystick_hmac_sha256(
    struct w2c_tallystick *applet,
    uint32_t key_address,
    uint32_t key_length,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t destination_address,
    uint32_t destination_length) {
  const uint8_t *key = binding_view(applet, key_address, key_length);
  if (key == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *message = binding_view(applet, message_address, message_length);
  if (message == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (destination_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_hmac_sha256(key, key_length, message, message_length, destination, destination_length);
}

uint32_t w2c_tallystick_hkdf_sha256(
    struct w2c_tallystick *applet,
    uint32_t salt_address,
    uint32_t salt_length,
    uint32_t material_address,
    uint32_t material_length,
    uint32_t info_address,
    uint32_t info_length,
    uint32_t destination_address,
    uint32_t destination_length) {
  const uint8_t *salt = binding_view(applet, salt_address, salt_length);
  if (salt == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *material = binding_view(applet, material_address, material_length);
  if (material == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *info = binding_view(applet, info_address, info_length);
  if (info == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *destination = binding_view(applet, destination_address, destination_length);
  if (destination == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_hkdf_sha256(
      salt,
      salt_length,
      material,
      material_length,
      info,
      info_length,
      destination,
      destination_length);
}

uint32_t w2c_tallystick_aead_seal(
    struct w2c_tallystick *applet,
    uint32_t key_address,
    uint32_t key_length,
    uint32_t nonce_address,
    uint32_t nonce_length,
    uint32_t associated_address,
    uint32_t associated_length,
    uint32_t plaintext_address,
    uint32_t plaintext_length,
    uint32_t ciphertext_address,
    uint32_t ciphertext_length) {
  if (key_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *key = binding_view(applet, key_address, key_length);
  if (key == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (nonce_length != 12) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *nonce = binding_view(applet, nonce_address, nonce_length);
  if (nonce == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *associated = binding_view(applet, associated_address, associated_length);
  if (associated == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *plaintext = binding_view(applet, plaintext_address, plaintext_length);
  if (plaintext == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *ciphertext = binding_view(applet, ciphertext_address, ciphertext_length);
  if (ciphertext == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_aead_seal(
      key,
      key_length,
      nonce,
      nonce_length,
      associated,
      associated_length,
      plaintext,
      plaintext_length,
      ciphertext,
      ciphertext_length);
}

uint32_t w2c_tallystick_aead_open(
    struct w2c_tallystick *applet,
    uint32_t key_address,
    uint32_t key_length,
    uint32_t nonce_address,
    uint32_t nonce_length,
    uint32_t associated_address,
    uint32_t associated_length,
    uint32_t ciphertext_address,
    uint32_t ciphertext_length,
    uint32_t plaintext_address,
    uint32_t plaintext_length) {
  if (key_length != 32) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *key = binding_view(applet, key_address, key_length);
  if (key == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  if (nonce_length != 12) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *nonce = binding_view(applet, nonce_address, nonce_length);
  if (nonce == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *associated = binding_view(applet, associated_address, associated_length);
  if (associated == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  const uint8_t *ciphertext = binding_view(applet, ciphertext_address, ciphertext_length);
  if (ciphertext == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  uint8_t *plaintext = binding_view(applet, plaintext_address, plaintext_length);
  if (plaintext == NULL) return (uint32_t)TALLYSTICK_INVALID_ARGUMENT;
  return (uint32_t)tallystick_aead_open(
      key,
      key_length,
      nonce,
      nonce_length,
      associated,
      associated_length,
      ciphertext,
      ciphertext_length,
      plaintext,
      plaintext_length);
}
