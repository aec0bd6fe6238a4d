/* The driver of the flash of boards/riscv-virt on chips that take their time and fail, which QEMU's never do. */

#include <string.h>

#include "boards/riscv-virt/cfi.h"
#include "boards/riscv-virt/time.h"
#include "check.h"
#include "chips.h"

#define SECTOR_BYTES (CHIPS * CHIP_SECTOR_BYTES)
#define BUFFER_BYTES (CHIPS << CHIP_BUFFER_POWER)
#define FLASH_BYTES (CHIPS * CHIP_BYTES)
#define ROUNDS 20000u

static struct cfi_geometry geometry;

static uint32_t any_below(uint32_t bound) {
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % bound;
}

static void start(void) {
  chips_start();
  CHECK(cfi_start(&geometry) && chips_rest());
}

static void finds_what_they_are(void) {
  start();
  CHECK(geometry.sector_bytes == SECTOR_BYTES && geometry.sector_count == CHIP_SECTORS);
  CHECK(geometry.buffer_bytes == BUFFER_BYTES);
  CHECK(geometry.program_us_max == PROGRAM_US_MAX && geometry.erase_us_max == ERASE_US_MAX);
}

/* One byte of one chip's query, or of both, is another. */
static void refuses(uint32_t place, uint8_t value, bool is_both) {
  uint8_t word[CFI_WORD_BYTES] = {0};
  chips_start();
  chips[0].query[place] = value;
  if (is_both) chips[1].query[place] = value;
  CHECK(!cfi_start(&geometry) && chips_rest());
  CHECK(!cfi_read(0, word, sizeof word) && !cfi_program(0, word, sizeof word) && !cfi_erase(0));
  CHECK(chips[0].operations == 0 && chips[1].operations == 0);
}

static void refuses_others(void) {
  refuses(0x10, 'q', true);
  refuses(0x12, 0xff, true);
  refuses(0x13, 2, true);  /* AMD's commands */
  refuses(0x14, 1, true);
  refuses(0x2c, 2, true);  /* sectors of two sizes */
  refuses(0x2a, 99, true); /* no buffer is so large */
  for (uint32_t place = 0x10; place < 0x13; place++) refuses(place, 0, false);
  refuses(0x2d, CHIP_SECTORS, false);
  refuses(0x2f, 1, false);
  refuses(0x21, 2, false);
}

/* Random work beside what it should leave. */
static void does_what_it_is_told(void) {
  static uint8_t expected[FLASH_BYTES], bytes[FLASH_BYTES];
  start();
  memset(expected, 0xff, sizeof expected);
  for (uint32_t round = 0; round < ROUNDS; round++) {
    chips[any_below(CHIPS)].program_us = any_below(PROGRAM_US_MAX);
    chips[any_below(CHIPS)].erase_us = any_below(ERASE_US_MAX);
    chips[any_below(CHIPS)].buffer_us = any_below(4) == 0 ? any_below(PROGRAM_US_MAX) : 0;
    if (any_below(8) == 0) {
      uint32_t sector = any_below(CHIP_SECTORS);
      CHECK(cfi_erase(sector));
      memset(expected + sector * SECTOR_BYTES, 0xff, SECTOR_BYTES);
    } else {
      uint32_t sector = any_below(CHIP_SECTORS);
      uint32_t at = any_below(SECTOR_BYTES / CFI_WORD_BYTES) * CFI_WORD_BYTES;
      uint32_t most = (SECTOR_BYTES - at) / CFI_WORD_BYTES;
      uint32_t length = any_below(most < 100 ? most + 1 : 100) * CFI_WORD_BYTES;
      uint8_t *there = expected + sector * SECTOR_BYTES + at;
      for (uint32_t i = 0; i < length; i++) bytes[i] = there[i] & (uint8_t)any_below(256);
      CHECK(cfi_program(sector * SECTOR_BYTES + at, bytes, length));
      memcpy(there, bytes, length);
    }
    uint32_t from = any_below(FLASH_BYTES);
    uint32_t length = any_below(FLASH_BYTES - from + 1);
    CHECK(chips_rest() && cfi_read(from, bytes, length) && memcmp(bytes, expected + from, length) == 0);
  }
}

static void refuses_odd_ones(void) {
  uint8_t words[2 * CFI_WORD_BYTES] = {0};
  start();
  CHECK(!cfi_program(2, words, CFI_WORD_BYTES) && !cfi_program(0, words, 2));
  CHECK(cfi_program(CFI_WORD_BYTES, words, CFI_WORD_BYTES));
  /* A bit of the second word would be set: nothing of the first is programmed. */
  words[CFI_WORD_BYTES] = 1;
  CHECK(!cfi_program(0, words, sizeof words) && chips_rest());
  CHECK(*chips_byte(0) == 0xff && *chips_byte(CFI_WORD_BYTES) == 0);
}

/* A chip says that it failed; afterwards it does not, and that counts. */
static void believes_failures(void) {
  static const uint8_t failures[] = {0x20, 0x10, 0x08, 0x02, 0x30};
  const uint8_t word[CFI_WORD_BYTES] = {1, 2, 3, 4};
  for (uint32_t i = 0; i < CHIPS * sizeof failures; i++) {
    start();
    struct chip *chip = &chips[i % CHIPS];
    chip->failure = failures[i / CHIPS];
    CHECK(!cfi_program(0, word, sizeof word) && chips_rest());
    CHECK(!cfi_erase(1) && chips_rest());
    chip->failure = 0;
    CHECK(cfi_program(SECTOR_BYTES, word, sizeof word) && cfi_erase(0) && chips_rest());
  }
}

/* A chip works longer than it may: it is lost, until it can be asked again what it is. */
static void gives_up(void) {
  uint8_t word[CFI_WORD_BYTES] = {0};
  for (uint32_t i = 0; i < 3 * CHIPS; i++) {
    start();
    struct chip *chip = &chips[i % CHIPS];
    if (i / CHIPS == 0) chip->program_us = 4 * PROGRAM_US_MAX;
    if (i / CHIPS == 1) chip->erase_us = 4 * ERASE_US_MAX;
    if (i / CHIPS == 2) chip->buffer_us = 4 * PROGRAM_US_MAX;
    CHECK(i / CHIPS == 1 ? !cfi_erase(0) : !cfi_program(0, word, sizeof word));
    CHECK(!chips_rest());
    CHECK(!cfi_read(0, word, sizeof word) && !cfi_program(0, word, sizeof word) && !cfi_erase(0));
    /* One that only waits for its buffer goes on waiting for what is written to it. */
    if (i / CHIPS == 2) continue;
    while (!chips_are_ready()) (void)time_us();
    chip->program_us = 0;
    CHECK(cfi_start(&geometry) && chips_rest() && cfi_program(0, word, sizeof word));
  }
}

int main(void) {
  finds_what_they_are();
  refuses_others();
  does_what_it_is_told();
  refuses_odd_ones();
  believes_failures();
  gives_up();
  return 0;
}
