/* Buffers: wiping, little-endian numbers, and how two of them lie to each other. */
#ifndef TALLYSTICK_BYTES_H
#define TALLYSTICK_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets to zero; no compiler takes it away. */
void bytes_wipe(void *bytes, size_t length);

/* Takes as long for buffers that differ as for those that do not. */
bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t length);

uint32_t bytes_read32(const uint8_t *bytes);
void bytes_write32(uint8_t *bytes, uint32_t value);

/* Whether they share a byte: an empty one shares none. */
bool bytes_overlap(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length);

#endif
