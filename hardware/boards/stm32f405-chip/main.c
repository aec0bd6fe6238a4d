/* An STM32F405 with the card on its first serial line, as a chip: nothing of it needs a debugger or QEMU. */

#include "boards/board.h"
#include "boards/paged/store.h"
#include "boards/stm32f405/clock.h"
#include "boards/stm32f405/flash.h"
#include "boards/stm32f405/pins.h"
#include "boards/stm32f405/random.h"
#include "boards/stm32f405/serial.h"
#include "card/stream.h"
#include "wasm/applets.h"

/* Two of these fit the pages of five sectors; an image has the two elements of a device, or a purse. */
#define ELEMENTS 2
#define PAGE_COUNT 48
/* So long after an answer nobody waits for anything, it seems. */
#define QUIET_MS 200

const struct board_flash board_flash = {PAGES_PAGE_BYTES, PAGE_COUNT, CHIP_FLASH_WORD_BYTES};

static enum board_random_source random_source = BOARD_RANDOM_NONE;
/* Nothing came in since: no command is under way. */
static bool is_answered = true;

static bool is_quiet(void) {
  uint64_t since = board_time_ms();
  while (!serial_waits()) {
    if (board_time_ms() - since >= QUIET_MS) return true;
  }
  return false;
}

bool board_receive(uint8_t *bytes, size_t length) {
  /* A command that comes in the middle of a step waits for its end. */
  while (is_answered && is_quiet() && pages_prepare()) continue;
  for (size_t i = 0; i < length; i++) bytes[i] = serial_receive();
  if (length > 0) is_answered = false;
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) serial_send(bytes[i]);
  is_answered = true;
  return true;
}

enum board_random_source board_random_source(void) {
  return random_source;
}

bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  return random_source == BOARD_RANDOM_FIT && chip_random_block(block);
}

uint64_t board_time_ms(void) {
  return clock_time_ms();
}

bool board_has_applet(uint32_t applet) {
  for (uint32_t i = 0; i < applets_count && i < ELEMENTS; i++) {
    if (applet_number(i) == applet) return true;
  }
  return false;
}

int main(void) {
  /* Without its clock the serial line is at no speed that anybody knows: the chip is reset, and tries again. */
  if (!clock_start()) return 1;
  clock_time_start();
  pins_start();
  if (chip_random_start()) random_source = BOARD_RANDOM_FIT;
  /* Where flash contradicts itself no element can be read, and each says so when it is asked. */
  (void)paged_store_open(&chip_flash, ELEMENTS);
  serial_start();
  stream_serve();
  return 0;
}
