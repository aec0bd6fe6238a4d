/*
 * Registers that change as one where storage does not: two areas of copies, each copy with a number and a hash. Of the good ones
 * that with the greatest number counts. They are written one after the other; when an area is full, the other is erased and begun again.
 * So a write or an erasure that power interrupted leaves the copy before it.
 *
 *   copy = [ number (4, little endian) | registers | SHA-256 of both (32) ]
 */
#ifndef TALLYSTICK_COPIES_H
#define TALLYSTICK_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/element.h"

#define COPY_NUMBER_BYTES 4
#define COPY_BYTES (COPY_NUMBER_BYTES + REGISTER_BYTES_PERSISTENT + TALLYSTICK_HASH_BYTES)

/* Where a board has them, counted through both areas. What was never written reads 0xFF. */
struct copies {
  uint32_t copies_per_area;
  bool (*read)(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]);
  bool (*write)(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]);
  /* Of area 0 or 1. NULL: a write replaces what was there. */
  bool (*erase)(uint32_t element, uint32_t area);
};

/* All zero where no copy was ever written; false where there is no good one, though something was. */
bool copies_load(const struct copies *copies, uint32_t element, uint8_t registers[REGISTER_BYTES_PERSISTENT]);
/* True: it reads back as it was written. */
bool copies_save(const struct copies *copies, uint32_t element, const uint8_t registers[REGISTER_BYTES_PERSISTENT]);

#endif
