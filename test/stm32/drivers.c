/* The STM32F405's drivers on the model of their controllers. */

#include "drivers.h"

#include <string.h>

#include "boards/common/pages-sector.h"
#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/clock.h"
#include "boards/stm32f405/flash.h"
#include "boards/stm32f405/pins.h"
#include "boards/stm32f405/random.h"
#include "boards/stm32f405/registers.h"
#include "boards/stm32f405/serial.h"
#include "check.h"
#include "chip-model.h"
#include "cut.h"
#include "platform.generated.h"

#define WORDS_OF_BLOCK 16

/* What power on of the chip does before anything else; and nothing that was done before it was a misuse. */
static void power_on(void) {
  CHECK(model_misuses == 0);
  model_reset();
  CHECK(clock_start());
}

struct medium chip_medium(uint32_t page_count) {
  uint32_t length = CHIP_FLASH_SECTORS * CHIP_FLASH_SECTOR_BYTES;
  memset(model_store(), 0xff, length);
  model_misuses = 0;
  return (struct medium){"STM32F405", &chip_flash, page_count, model_store(), length, power_on};
}

static void check_clock(void) {
  model_reset();
  model_crystal(CRYSTAL_DEAD);
  CHECK(!clock_start() && (register_read(RCC_CFGR) & RCC_CFGR_SWS_MASK) == 0);
  model_crystal(CRYSTAL_GOOD);
  power_on();
  clock_time_start();
  pins_start();
  CHECK(register_read(GPIOA_MODER) == (0xa8000000 | 0x00280000));
  CHECK(register_read(GPIOA_AFRH) == 0x770);
  uint64_t first = clock_time_ms();
  CHECK(clock_time_ms() > first && model_misuses == 0);
}

/* What arrives while nobody looks is there afterwards, over the end of the ring too. */
static void check_serial(void) {
  uint8_t sent = 0;
  uint8_t received = 0;
  power_on();
  pins_start();
  CHECK(!model_line(0));
  serial_start();
  CHECK(!serial_waits());
  for (uint32_t burst = 1; burst < 8192; burst = burst * 3 / 2 + 1) {
    for (uint32_t i = 0; i < burst; i++) CHECK(model_line(sent++));
    for (uint32_t i = 0; i < burst; i++) CHECK(serial_waits() && serial_receive() == received++);
    CHECK(!serial_waits());
  }
  CHECK(model_misuses == 0);
}

static void check_flash(void) {
  uint8_t bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  uint8_t back[16];
  struct medium medium = chip_medium(0);
  uint32_t end = medium.length;
  power_on();
  CHECK(chip_flash.program(4, bytes, sizeof bytes) && chip_flash.read(4, back, sizeof back));
  CHECK(memcmp(bytes, back, sizeof bytes) == 0 && memcmp(medium.bytes + 4, bytes, sizeof bytes) == 0);
  CHECK((register_read(FLASH_CR) & FLASH_CR_LOCK) != 0);
  /* What was read before an erasure is not what is read after it. */
  CHECK(chip_flash.erase(0) && chip_flash.read(4, back, sizeof back) && is_blank(back, sizeof back));
  CHECK(!chip_flash.program(2, bytes, 4) && !chip_flash.program(0, bytes, 2) && !chip_flash.program(end - 4, bytes, 8));
  CHECK(!chip_flash.read(end - 4, back, 8) && !chip_flash.erase(CHIP_FLASH_SECTORS));
  CHECK(chip_flash.program(end - 4, bytes, 4) && chip_flash.erase(CHIP_FLASH_SECTORS - 1));
  model_protect(1);
  CHECK(!chip_flash.program(0, bytes, 4) && !chip_flash.erase(0));
  model_protect(0);
  /* An error does not stand in the way of what comes next. */
  CHECK(chip_flash.program(0, bytes, 4) && chip_flash.erase(0));
  CHECK(model_misuses == 0);
}

/* A failed operation is noticed, with a flag or without: unless it left what was to be. */
static void check_failures(void) {
  uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint32_t noticed = 0;
  for (uint32_t i = 0; i < 400; i++) {
    struct medium medium = chip_medium(0);
    power_on();
    cut_arm_failure(i % 2, i % TEARS);
    bool is_said = chip_flash.program(0, bytes, sizeof bytes);
    cut_disarm();
    CHECK(!is_said || memcmp(medium.bytes, bytes, sizeof bytes) == 0);
    noticed += !is_said;
    memset(medium.bytes, 0x55, CHIP_FLASH_SECTOR_BYTES);
    cut_arm_failure(0, i % TEARS);
    is_said = chip_flash.erase(0);
    cut_disarm();
    CHECK(!is_said || is_blank(medium.bytes, CHIP_FLASH_SECTOR_BYTES));
    noticed += !is_said;
  }
  CHECK(noticed > 400 && model_misuses == 0);
}

static void words_hashed(uint32_t first, uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  uint8_t input[4 * WORDS_OF_BLOCK];
  for (uint32_t i = 0; i < WORDS_OF_BLOCK; i++) {
    for (uint32_t j = 0; j < 4; j++) input[4 * i + j] = (uint8_t)(model_word(first + i) >> (8 * j));
  }
  CHECK(tallystick_sha256(input, sizeof input, block, BOARD_RANDOM_BLOCK_BYTES) == 0);
}

static bool is_block(uint32_t first) {
  uint8_t block[BOARD_RANDOM_BLOCK_BYTES];
  uint8_t wanted[BOARD_RANDOM_BLOCK_BYTES];
  words_hashed(first, wanted);
  return chip_random_block(block) && memcmp(block, wanted, sizeof block) == 0;
}

static void check_random(void) {
  static const enum model_source bad[] = {SOURCE_STUCK, SOURCE_SEED_ERROR, SOURCE_CLOCK_ERROR, SOURCE_LATE_ERROR,
                                          SOURCE_SILENT};
  uint8_t block[BOARD_RANDOM_BLOCK_BYTES];
  power_on();
  CHECK(chip_random_start());
  /* The first word is only compared. */
  CHECK(is_block(1) && is_block(1 + WORDS_OF_BLOCK));
  for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    model_source(bad[i], UINT32_MAX);
    CHECK(!chip_random_block(block) && !chip_random_block(block));
    model_source(SOURCE_GOOD, 0);
    CHECK(chip_random_block(block));
    power_on();
    model_source(bad[i], UINT32_MAX);
    bool is_started = chip_random_start();
    CHECK(is_started == (bad[i] == SOURCE_STUCK) && !chip_random_block(block));
  }
  /* An error that passes: the generator is begun anew, and its next first word is left out too. */
  for (uint32_t i = 1; i <= 3; i++) {
    power_on();
    CHECK(chip_random_start());
    model_source(bad[i], 1);
    CHECK(is_block(2));
  }
  power_on();
  CHECK(chip_random_start());
  model_source(SOURCE_STUCK, 2);
  CHECK(is_block(2));
  CHECK(model_misuses == 0);
}

void drivers(void) {
  check_clock();
  check_serial();
  check_flash();
  check_failures();
  check_random();
}
