#include "cut.h"

#include <string.h>

#include "check.h"

/* The first record of a sector of pages: what is left of it must not vouch for the rest. */
#define RECORD_BYTES 32

struct cut cut;

static uint64_t state = 1;

void random_seed(uint64_t seed) {
  state = seed * 0x9e3779b97f4a7c15u + 1;
}

uint32_t random_below(uint32_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)((state >> 16) % bound);
}

void cut_arm(uint32_t left, uint32_t tear) {
  cut.left = left;
  cut.tear = tear;
  cut.is_armed = true;
  cut.is_failure = false;
}

void cut_arm_failure(uint32_t left, uint32_t tear) {
  cut_arm(left, tear);
  cut.is_failure = true;
}

void cut_disarm(void) {
  cut.is_armed = false;
}

bool cut_comes(bool is_erasure) {
  cut.operations++;
  cut.erasures += is_erasure;
  return cut.is_armed && cut.left-- == 0;
}

bool cut_end(void) {
  cut.is_armed = false;
  if (!cut.is_failure) longjmp(cut.power, 1);
  return false;
}

static uint8_t random_bits(uint32_t quarters) {
  uint32_t a = random_below(256);
  uint32_t b = random_below(256);
  return (uint8_t)(quarters == 1 ? a & b : quarters == 2 ? a : a | b);
}

void tear_program(uint8_t *at, const uint8_t *from, uint32_t length, uint32_t word_bytes) {
  uint32_t words = length / word_bytes;
  uint32_t whole = cut.tear == 0 ? 0 : cut.tear == 1 ? words : random_below(words);
  for (uint32_t i = 0; i < length; i++) {
    bool is_whole = i < whole * word_bytes;
    /* Of the others: none; or of the word after the whole ones a part; or of each a part. */
    bool is_touched = cut.tear >= 5 || (cut.tear >= 2 && i / word_bytes == whole);
    uint8_t cleared = is_whole ? 0xff : is_touched ? random_bits(1 + cut.tear % 3) : 0;
    at[i] &= (uint8_t)(from[i] | ~cleared);
  }
}

void tear_erase(uint8_t *sector, uint32_t length) {
  uint32_t middle = random_below(length);
  switch (cut.tear) {
    case 0:
      return;
    case 1:
      memset(sector, 0xff, length);
      return;
    case 2:
      memset(sector, 0xff, middle);
      return;
    case 3:
      memset(sector + middle, 0xff, length - middle);
      return;
    case 4:
      memset(sector + RECORD_BYTES, 0xff, length - RECORD_BYTES);
      return;
    case 5:
      memset(sector + RECORD_BYTES, 0xff, length - RECORD_BYTES);
      sector[RECORD_BYTES + random_below(length - RECORD_BYTES)] = random_bits(2);
      return;
    case 6:
      for (uint32_t i = 0; i < length; i++) sector[i] |= random_bits(2);
      return;
    default:
      for (uint32_t i = 0; i < length; i++) sector[i] = random_bits(2);
  }
}
