/*
 * An STM32F405 with the card on its first serial line, as QEMU's machine netduinoplus2 runs it. It takes from QEMU's command line
 * (-semihosting-config arg=...), in this order: store=FILE, and then, for tests, clock=FILE, applets=NAMES, seed=TEXT.
 *
 * Without a seed there is no random source, as QEMU has none for this chip, and nothing that asks for random bytes gets any.
 */

#include <stdlib.h>
#include <string.h>

#include "boards/board.h"
#include "boards/common/listed.h"
#include "boards/common/seeded-random.h"
#include "card/stream.h"
#include "registers.h"
#include "semihosting.h"
#include "serial.h"
#include "store.h"
#include "wasm/applets.h"

#define COMMAND_LINE_BYTES 512
#define CLOCK_FILE_BYTES 8
#define MS_PER_SECOND 1000

static char command_line[COMMAND_LINE_BYTES];
static const char *clock_path;
static const char *applets;
static bool is_seeded;
static volatile uint64_t ticks_ms;

void tick(void);

void tick(void) {
  ticks_ms++;
}

bool board_receive(uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) bytes[i] = serial_receive();
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) serial_send(bytes[i]);
  return true;
}

bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  return is_seeded && seeded_random_block(block);
}

/* Opened each time: the test replaces what is in it. Where it cannot be read time stands still. */
static uint64_t clock_file_ms(void) {
  static uint64_t last_ms;
  uint8_t bytes[CLOCK_FILE_BYTES];
  int32_t file = host_open(clock_path, HOST_READ);
  if (file < 0) return last_ms;
  if (host_read(file, 0, bytes, sizeof bytes)) {
    last_ms = 0;
    for (unsigned i = sizeof bytes; i > 0; i--) last_ms = last_ms << 8 | bytes[i - 1];
  }
  host_close(file);
  return last_ms;
}

/* Two words, between which a tick may come. */
static uint64_t ticks(void) {
  uint64_t first;
  do first = ticks_ms;
  while (first != ticks_ms);
  return first;
}

uint64_t board_time_ms(void) {
  return clock_path != NULL ? clock_file_ms() : ticks();
}

bool board_has_applet(uint32_t applet) {
  if (applets == NULL) return true;
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == applet) return is_listed(applets, applet_name(i));
  }
  return false;
}

/* The value after NAME=, up to the next blank unless it is the last. NULL when it is not there. */
static char *option(const char *name, bool is_last) {
  char *found = strstr(command_line, name);
  if (found == NULL) return NULL;
  char *value = found + strlen(name);
  char *end = is_last ? NULL : strchr(value, ' ');
  if (end != NULL) *end = '\0';
  return value;
}

static bool start(void) {
  if (!host_command_line(command_line, sizeof command_line)) return false;
  /* From the last to the first: each cuts the line off behind itself. */
  const char *seed = option(" seed=", true);
  applets = option(" applets=", false);
  clock_path = option(" clock=", false);
  const char *store = option(" store=", false);
  is_seeded = seed != NULL;
  if (is_seeded) seeded_random_start(seed);
  return store != NULL && store_open(store);
}

int main(void) {
  SYSTICK_RELOAD = CORE_HZ / MS_PER_SECOND - 1;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = SYSTICK_ENABLE;
  serial_start();
  if (!start()) host_exit(EXIT_FAILURE);
  /* What is sent before this is lost. */
  host_say("ready\n");
  stream_serve();
  return 0;
}
