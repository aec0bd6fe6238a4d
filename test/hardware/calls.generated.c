/* Generated from firmware/platform/interface.ts by `npm run generate`: do not edit. */
#include "calls.h"

uint32_t w2c_tallystick_flash_page_size(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_flash_page_count(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_flash_word_size(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_flash_read(
    struct w2c_tallystick *applet,
    uint32_t address,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_flash_program(
    struct w2c_tallystick *applet,
    uint32_t address,
    uint32_t source_address,
    uint32_t source_length);
uint32_t w2c_tallystick_flash_erase(struct w2c_tallystick *applet, uint32_t page);
uint32_t w2c_tallystick_random_bytes(
    struct w2c_tallystick *applet,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_clock_seconds(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_counter_read(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_counter_increment(struct w2c_tallystick *applet);
uint32_t w2c_tallystick_slot_kind(struct w2c_tallystick *applet, uint32_t slot);
uint32_t w2c_tallystick_slot_generate(struct w2c_tallystick *applet, uint32_t slot, uint32_t kind);
uint32_t w2c_tallystick_slot_put(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t secret_address,
    uint32_t secret_length);
uint32_t w2c_tallystick_slot_erase(struct w2c_tallystick *applet, uint32_t slot);
uint32_t w2c_tallystick_slot_public(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_slot_derive(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t info_address,
    uint32_t info_length,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_ed25519_sign(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t signature_address,
    uint32_t signature_length);
uint32_t w2c_tallystick_ed25519_verify(
    struct w2c_tallystick *applet,
    uint32_t public_key_address,
    uint32_t public_key_length,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t signature_address,
    uint32_t signature_length);
uint32_t w2c_tallystick_x25519_agree(
    struct w2c_tallystick *applet,
    uint32_t slot,
    uint32_t public_key_address,
    uint32_t public_key_length,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_sha256(
    struct w2c_tallystick *applet,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_hmac_sha256(
    struct w2c_tallystick *applet,
    uint32_t key_address,
    uint32_t key_length,
    uint32_t message_address,
    uint32_t message_length,
    uint32_t destination_address,
    uint32_t destination_length);
uint32_t w2c_tallystick_hkdf_sha256(
    struct w2c_tallystick *applet,
    uint32_t salt_address,
    uint32_t salt_length,
    uint32_t material_address,
    uint32_t material_length,
    uint32_t info_address,
    uint32_t info_length,
    uint32_t destination_address,
    uint32_t destination_length);
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
    uint32_t ciphertext_length);
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
    uint32_t plaintext_length);

uint32_t call(struct w2c_tallystick *applet, uint32_t number, const uint32_t arguments[CALL_ARGUMENTS_MAX]) {
  switch (number) {
    case 0:
      return w2c_tallystick_flash_page_size(applet);
    case 1:
      return w2c_tallystick_flash_page_count(applet);
    case 2:
      return w2c_tallystick_flash_word_size(applet);
    case 3:
      return w2c_tallystick_flash_read(applet, arguments[0], arguments[1], arguments[2]);
    case 4:
      return w2c_tallystick_flash_program(applet, arguments[0], arguments[1], arguments[2]);
    case 5:
      return w2c_tallystick_flash_erase(applet, arguments[0]);
    case 6:
      return w2c_tallystick_random_bytes(applet, arguments[0], arguments[1]);
    case 7:
      return w2c_tallystick_clock_seconds(applet);
    case 8:
      return w2c_tallystick_counter_read(applet);
    case 9:
      return w2c_tallystick_counter_increment(applet);
    case 10:
      return w2c_tallystick_slot_kind(applet, arguments[0]);
    case 11:
      return w2c_tallystick_slot_generate(applet, arguments[0], arguments[1]);
    case 12:
      return w2c_tallystick_slot_put(applet, arguments[0], arguments[1], arguments[2]);
    case 13:
      return w2c_tallystick_slot_erase(applet, arguments[0]);
    case 14:
      return w2c_tallystick_slot_public(applet, arguments[0], arguments[1], arguments[2]);
    case 15:
      return w2c_tallystick_slot_derive(applet, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    case 16:
      return w2c_tallystick_ed25519_sign(applet, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    case 17:
      return w2c_tallystick_ed25519_verify(
          applet,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          arguments[4],
          arguments[5]);
    case 18:
      return w2c_tallystick_x25519_agree(applet, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    case 19:
      return w2c_tallystick_sha256(applet, arguments[0], arguments[1], arguments[2], arguments[3]);
    case 20:
      return w2c_tallystick_hmac_sha256(
          applet,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          arguments[4],
          arguments[5]);
    case 21:
      return w2c_tallystick_hkdf_sha256(
          applet,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          arguments[4],
          arguments[5],
          arguments[6],
          arguments[7]);
    case 22:
      return w2c_tallystick_aead_seal(
          applet,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          arguments[4],
          arguments[5],
          arguments[6],
          arguments[7],
          arguments[8],
          arguments[9]);
    case 23:
      return w2c_tallystick_aead_open(
          applet,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          arguments[4],
          arguments[5],
          arguments[6],
          arguments[7],
          arguments[8],
          arguments[9]);
    default:
      return 0;
  }
}
