#include "machine.h"

#include <string.h>

#include "boards/board.h"
#include "boards/common/listed.h"
#include "boards/common/seeded-random.h"
#include "semihosting.h"
#include "wasm/applets.h"

#define COMMAND_LINE_BYTES 512
#define CLOCK_FILE_BYTES 8

static char command_line[COMMAND_LINE_BYTES];
static const char *store;
static const char *clock_path;
static const char *applets;
static int32_t random_file = -1;
static enum board_random_source source = BOARD_RANDOM_NONE;

/* The value after NAME=, up to the next blank unless it is the last. NULL when it is not there. */
static char *option(const char *name, bool is_last) {
  char *found = strstr(command_line, name);
  if (found == NULL) return NULL;
  char *value = found + strlen(name);
  char *end = is_last ? NULL : strchr(value, ' ');
  if (end != NULL) *end = '\0';
  return value;
}

bool machine_start(void) {
  if (!host_command_line(command_line, sizeof command_line)) return false;
  /* From the last to the first: each cuts the line off behind itself. */
  const char *seed = option(" seed=", true);
  const char *random = option(" random=", false);
  applets = option(" applets=", false);
  clock_path = option(" clock=", false);
  store = option(" store=", false);
  if (seed != NULL) {
    seeded_random_start(seed);
    source = BOARD_RANDOM_SEEDED;
  } else if (random != NULL) {
    random_file = host_open(random, HOST_READ);
    if (random_file < 0) return false;
    source = BOARD_RANDOM_FIT;
  }
  return true;
}

const char *machine_store(void) {
  return store;
}

bool machine_has_clock(void) {
  return clock_path != NULL;
}

/* Opened each time: the test replaces what is in it. Where it cannot be read time stands still. */
uint64_t machine_clock_ms(void) {
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

enum board_random_source board_random_source(void) {
  return source;
}

bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  if (source == BOARD_RANDOM_SEEDED) return seeded_random_block(block);
  return source == BOARD_RANDOM_FIT && host_read(random_file, 0, block, BOARD_RANDOM_BLOCK_BYTES);
}

bool board_has_applet(uint32_t applet) {
  if (applets == NULL) return true;
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == applet) return is_listed(applets, applet_name(i));
  }
  return false;
}
