/* Copies of registers (boards/common/copies.h) of which some are spoilt: which counts, and when none may. */

#include <string.h>

#include "boards/common/copies.h"
#include "check.h"
#include "store-cuts.h"

#define COPIES 4

static uint8_t room[COPIES][COPY_BYTES];
static uint8_t registers[REGISTER_BYTES_PERSISTENT];
/* Flash that says that it has programmed what it has not: this byte of a copy stays erased. COPY_BYTES: none. */
static uint32_t stuck = COPY_BYTES;

static bool read_copy(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]) {
  memcpy(bytes, room[copy], COPY_BYTES);
  return element == 0;
}

static bool write_copy(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]) {
  for (uint32_t i = 0; i < COPY_BYTES; i++) CHECK(room[copy][i] == 0xff);
  memcpy(room[copy], bytes, COPY_BYTES);
  if (stuck < COPY_BYTES) room[copy][stuck] = 0xff;
  return element == 0;
}

static bool erase_area(uint32_t element, uint32_t area) {
  memset(room[area * COPIES / 2], 0xff, COPIES / 2 * COPY_BYTES);
  return element == 0;
}

static const struct copies copies = {COPIES / 2, read_copy, write_copy, erase_area};

static void save(uint8_t value) {
  memset(registers, value, sizeof registers);
  CHECK(copies_save(&copies, 0, registers));
}

/* 256: they must not load. */
static void check_loads(uint32_t value) {
  bool is_loaded = copies_load(&copies, 0, registers);
  CHECK(is_loaded == (value < 256));
  for (uint32_t i = 0; is_loaded && i < sizeof registers; i++) CHECK(registers[i] == value);
}

static void spoil(uint32_t copy) {
  room[copy][COPY_BYTES / 2] &= 0x0f;
  room[copy][0] &= 0xfe;
  room[copy][COPY_BYTES - 1] = 0;
}

/* What is not there is not said to be kept: after it power goes, and the counter would be the one before. */
static void check_stuck(void) {
  static const uint32_t bytes[] = {0, COPY_BYTES / 2, COPY_BYTES - 1};
  for (uint32_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
    memset(room, 0xff, sizeof room);
    save(1);
    stuck = bytes[i];
    memset(registers, 2, sizeof registers);
    CHECK(!copies_save(&copies, 0, registers));
    stuck = COPY_BYTES;
    check_loads(1);
    save(3);
    check_loads(3);
  }
}

void copies_damage(void) {
  check_stuck();
  memset(room, 0xff, sizeof room);
  check_loads(0);
  spoil(0);
  check_loads(0);
  save(1);
  check_loads(1);
  /* Of a chip that kept something, whatever is left. */
  spoil(0);
  memset(room[0], 0xff, COPY_BYTES);
  spoil(1);
  check_loads(256);
  memset(room, 0xff, sizeof room);
  for (uint8_t value = 1; value <= 2 * COPIES + 1; value++) {
    save(value);
    check_loads(value);
  }
  /* Nine saves in twos: the ninth is alone in its area, the eighth the last of the other. */
  spoil(0);
  check_loads(2 * COPIES);
  save(77);
  check_loads(77);
  for (uint32_t copy = 0; copy < COPIES; copy++) spoil(copy);
  check_loads(256);
}
