#include "random.h"

#include "bus.h"
#include "platform.generated.h"
#include "platform/bytes.h"
#include "registers.h"

#define WORD_BYTES 4
#define INPUT_BYTES (2 * BOARD_RANDOM_BLOCK_BYTES)
#define ERRORS (RNG_SR_CECS | RNG_SR_SECS | RNG_SR_CEIS | RNG_SR_SEIS)
/* A word takes 40 periods of 48 MHz, which is less than a hundred looks. */
#define POLLS_MAX 100000u
#define TRIES 2

/* The word before, for the test that RM0090 asks for (FIPS PUB 140-2): no two in a row are the same. */
static uint32_t before;
static bool is_running;

static bool is_good(void) {
  return (register_read(RNG_SR) & ERRORS) == 0;
}

static bool take_word(uint32_t *word) {
  for (uint32_t i = 0; i < POLLS_MAX && is_good(); i++) {
    if ((register_read(RNG_SR) & RNG_SR_DRDY) == 0) continue;
    *word = register_read(RNG_DR);
    return is_good();
  }
  return false;
}

/* The first word after it begins is not used, only compared with the next. */
bool chip_random_start(void) {
  bus_clock_on(RCC_AHB2ENR, RCC_AHB2ENR_RNG);
  register_write(RNG_CR, 0);
  register_write(RNG_SR, 0);
  register_write(RNG_CR, RNG_CR_RNGEN);
  is_running = take_word(&before);
  return is_running;
}

static bool fill(uint8_t input[INPUT_BYTES]) {
  for (uint32_t at = 0; at < INPUT_BYTES; at += WORD_BYTES) {
    uint32_t word;
    if (!take_word(&word) || word == before) return false;
    before = word;
    bytes_write32(input + at, word);
  }
  return true;
}

bool chip_random_block(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  uint8_t input[INPUT_BYTES];
  bool is_filled = false;
  for (uint32_t i = 0; !is_filled && i < TRIES; i++) {
    if (!is_running && !chip_random_start()) continue;
    is_filled = fill(input);
    is_running = is_filled;
  }
  bool is_made = is_filled && tallystick_sha256(input, sizeof input, block, BOARD_RANDOM_BLOCK_BYTES) == 0;
  bytes_wipe(input, sizeof input);
  return is_made;
}
