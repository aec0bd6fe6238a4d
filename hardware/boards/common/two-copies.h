/*
 * Registers that change as one where storage does not: two copies, written in turns, each with a number and a hash. Of two good ones
 * the later counts; a write that power interrupted leaves a copy that is not good, and the one before it.
 *
 *   copy = [ number (4, little endian) | registers | SHA-256 of both (32) ]
 */
#ifndef TALLYSTICK_TWO_COPIES_H
#define TALLYSTICK_TWO_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/element.h"

#define COPY_NUMBER_BYTES 4
#define COPY_BYTES (COPY_NUMBER_BYTES + REGISTER_BYTES_PERSISTENT + TALLYSTICK_HASH_BYTES)

/* Where a board has them. What was never written reads 0xFF. */
struct copies {
  bool (*read)(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]);
  bool (*write)(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]);
};

/* All zero where neither copy was ever written; false where there is no good one, though something was. */
bool copies_load(const struct copies *copies, uint32_t element, uint8_t registers[REGISTER_BYTES_PERSISTENT]);
bool copies_save(const struct copies *copies, uint32_t element, const uint8_t registers[REGISTER_BYTES_PERSISTENT]);

#endif
