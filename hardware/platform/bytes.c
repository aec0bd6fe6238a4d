#include "bytes.h"

#include <sodium/utils.h>

void bytes_wipe(void *bytes, size_t length) {
  sodium_memzero(bytes, length);
}

bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t length) {
  return sodium_memcmp(a, b, length) == 0;
}

uint32_t bytes_read32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void bytes_write32(uint8_t *bytes, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

bool bytes_overlap(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
  if (a_length == 0 || b_length == 0) return false;
  return (uintptr_t)a < (uintptr_t)b + b_length && (uintptr_t)b < (uintptr_t)a + a_length;
}
