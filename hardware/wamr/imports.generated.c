/* Generated from firmware/platform/interface.ts by `npm run generate`: do not edit. */
#include "wamr/imports.h"

uint32_t w2c_tallystick_flash_page_size(struct w2c_tallystick *);
uint32_t w2c_tallystick_flash_page_count(struct w2c_tallystick *);
uint32_t w2c_tallystick_flash_word_size(struct w2c_tallystick *);
uint32_t w2c_tallystick_flash_read(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_flash_program(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_flash_erase(struct w2c_tallystick *, uint32_t);
uint32_t w2c_tallystick_random_bytes(struct w2c_tallystick *, uint32_t, uint32_t);
uint32_t w2c_tallystick_clock_seconds(struct w2c_tallystick *);
uint32_t w2c_tallystick_counter_read(struct w2c_tallystick *);
uint32_t w2c_tallystick_counter_increment(struct w2c_tallystick *);
uint32_t w2c_tallystick_slot_kind(struct w2c_tallystick *, uint32_t);
uint32_t w2c_tallystick_slot_generate(struct w2c_tallystick *, uint32_t, uint32_t);
uint32_t w2c_tallystick_slot_put(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_slot_erase(struct w2c_tallystick *, uint32_t);
uint32_t w2c_tallystick_slot_public(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_slot_derive(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_ed25519_sign(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_ed25519_verify(
    struct w2c_tallystick *,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t);
uint32_t w2c_tallystick_x25519_agree(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_sha256(struct w2c_tallystick *, uint32_t, uint32_t, uint32_t, uint32_t);
uint32_t w2c_tallystick_hmac_sha256(
    struct w2c_tallystick *,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t);
uint32_t w2c_tallystick_hkdf_sha256(
    struct w2c_tallystick *,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t);
uint32_t w2c_tallystick_aead_seal(
    struct w2c_tallystick *,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t);
uint32_t w2c_tallystick_aead_open(
    struct w2c_tallystick *,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t,
    uint32_t);

static uint32_t call_flash_page_size(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_flash_page_size(applet);
}

static uint32_t call_flash_page_count(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_flash_page_count(applet);
}

static uint32_t call_flash_word_size(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_flash_word_size(applet);
}

static uint32_t call_flash_read(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_flash_read(applet, (uint32_t)cells[0], (uint32_t)cells[1], (uint32_t)cells[2]);
}

static uint32_t call_flash_program(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_flash_program(applet, (uint32_t)cells[0], (uint32_t)cells[1], (uint32_t)cells[2]);
}

static uint32_t call_flash_erase(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_flash_erase(applet, (uint32_t)cells[0]);
}

static uint32_t call_random_bytes(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_random_bytes(applet, (uint32_t)cells[0], (uint32_t)cells[1]);
}

static uint32_t call_clock_seconds(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_clock_seconds(applet);
}

static uint32_t call_counter_read(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_counter_read(applet);
}

static uint32_t call_counter_increment(struct w2c_tallystick *applet, const uint64_t *cells) {
  (void)cells;
  return w2c_tallystick_counter_increment(applet);
}

static uint32_t call_slot_kind(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_kind(applet, (uint32_t)cells[0]);
}

static uint32_t call_slot_generate(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_generate(applet, (uint32_t)cells[0], (uint32_t)cells[1]);
}

static uint32_t call_slot_put(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_put(applet, (uint32_t)cells[0], (uint32_t)cells[1], (uint32_t)cells[2]);
}

static uint32_t call_slot_erase(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_erase(applet, (uint32_t)cells[0]);
}

static uint32_t call_slot_public(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_public(applet, (uint32_t)cells[0], (uint32_t)cells[1], (uint32_t)cells[2]);
}

static uint32_t call_slot_derive(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_slot_derive(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4]);
}

static uint32_t call_ed25519_sign(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_ed25519_sign(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4]);
}

static uint32_t call_ed25519_verify(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_ed25519_verify(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4],
      (uint32_t)cells[5]);
}

static uint32_t call_x25519_agree(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_x25519_agree(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4]);
}

static uint32_t call_sha256(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_sha256(applet, (uint32_t)cells[0], (uint32_t)cells[1], (uint32_t)cells[2], (uint32_t)cells[3]);
}

static uint32_t call_hmac_sha256(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_hmac_sha256(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4],
      (uint32_t)cells[5]);
}

static uint32_t call_hkdf_sha256(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_hkdf_sha256(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4],
      (uint32_t)cells[5],
      (uint32_t)cells[6],
      (uint32_t)cells[7]);
}

static uint32_t call_aead_seal(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_aead_seal(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4],
      (uint32_t)cells[5],
      (uint32_t)cells[6],
      (uint32_t)cells[7],
      (uint32_t)cells[8],
      (uint32_t)cells[9]);
}

static uint32_t call_aead_open(struct w2c_tallystick *applet, const uint64_t *cells) {
  return w2c_tallystick_aead_open(
      applet,
      (uint32_t)cells[0],
      (uint32_t)cells[1],
      (uint32_t)cells[2],
      (uint32_t)cells[3],
      (uint32_t)cells[4],
      (uint32_t)cells[5],
      (uint32_t)cells[6],
      (uint32_t)cells[7],
      (uint32_t)cells[8],
      (uint32_t)cells[9]);
}

static struct wamr_import imports[] = {
    {call_flash_page_size},
    {call_flash_page_count},
    {call_flash_word_size},
    {call_flash_read},
    {call_flash_program},
    {call_flash_erase},
    {call_random_bytes},
    {call_clock_seconds},
    {call_counter_read},
    {call_counter_increment},
    {call_slot_kind},
    {call_slot_generate},
    {call_slot_put},
    {call_slot_erase},
    {call_slot_public},
    {call_slot_derive},
    {call_ed25519_sign},
    {call_ed25519_verify},
    {call_x25519_agree},
    {call_sha256},
    {call_hmac_sha256},
    {call_hkdf_sha256},
    {call_aead_seal},
    {call_aead_open},
};

NativeSymbol wamr_symbols[] = {
    {"flash_page_size", (void *)wamr_import, "()i", &imports[0]},
    {"flash_page_count", (void *)wamr_import, "()i", &imports[1]},
    {"flash_word_size", (void *)wamr_import, "()i", &imports[2]},
    {"flash_read", (void *)wamr_import, "(iii)i", &imports[3]},
    {"flash_program", (void *)wamr_import, "(iii)i", &imports[4]},
    {"flash_erase", (void *)wamr_import, "(i)i", &imports[5]},
    {"random_bytes", (void *)wamr_import, "(ii)i", &imports[6]},
    {"clock_seconds", (void *)wamr_import, "()i", &imports[7]},
    {"counter_read", (void *)wamr_import, "()i", &imports[8]},
    {"counter_increment", (void *)wamr_import, "()i", &imports[9]},
    {"slot_kind", (void *)wamr_import, "(i)i", &imports[10]},
    {"slot_generate", (void *)wamr_import, "(ii)i", &imports[11]},
    {"slot_put", (void *)wamr_import, "(iii)i", &imports[12]},
    {"slot_erase", (void *)wamr_import, "(i)i", &imports[13]},
    {"slot_public", (void *)wamr_import, "(iii)i", &imports[14]},
    {"slot_derive", (void *)wamr_import, "(iiiii)i", &imports[15]},
    {"ed25519_sign", (void *)wamr_import, "(iiiii)i", &imports[16]},
    {"ed25519_verify", (void *)wamr_import, "(iiiiii)i", &imports[17]},
    {"x25519_agree", (void *)wamr_import, "(iiiii)i", &imports[18]},
    {"sha256", (void *)wamr_import, "(iiii)i", &imports[19]},
    {"hmac_sha256", (void *)wamr_import, "(iiiiii)i", &imports[20]},
    {"hkdf_sha256", (void *)wamr_import, "(iiiiiiii)i", &imports[21]},
    {"aead_seal", (void *)wamr_import, "(iiiiiiiiii)i", &imports[22]},
    {"aead_open", (void *)wamr_import, "(iiiiiiiiii)i", &imports[23]},
};

const uint32_t wamr_symbols_count = sizeof wamr_symbols / sizeof wamr_symbols[0];
