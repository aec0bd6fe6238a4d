#include "nor.h"

#include <string.h>

#include "check.h"
#include "cut.h"

#define BYTES_MAX (2048u * 1024u)

static uint8_t bytes[BYTES_MAX];
static struct pages_flash flash;

static bool read_bytes(uint32_t address, uint8_t *to, uint32_t length) {
  CHECK((uint64_t)address + length <= (uint64_t)flash.sector_bytes * flash.sector_count);
  memcpy(to, bytes + address, length);
  return true;
}

static bool program(uint32_t address, const uint8_t *from, uint32_t length) {
  CHECK((uint64_t)address + length <= (uint64_t)flash.sector_bytes * flash.sector_count);
  CHECK(length > 0 && address % flash.word_bytes == 0 && length % flash.word_bytes == 0);
  bool is_zero = true;
  bool is_erased = true;
  for (uint32_t i = 0; i < length; i++) {
    is_zero = is_zero && from[i] == 0;
    is_erased = is_erased && bytes[address + i] == 0xff;
  }
  CHECK(is_erased || is_zero);
  if (cut_comes(false)) {
    tear_program(bytes + address, from, length, flash.word_bytes);
    return cut_end();
  }
  for (uint32_t i = 0; i < length; i++) bytes[address + i] &= from[i];
  return true;
}

static bool erase(uint32_t sector) {
  CHECK(sector < flash.sector_count);
  uint8_t *at = bytes + sector * flash.sector_bytes;
  if (cut_comes(true)) {
    tear_erase(at, flash.sector_bytes);
    return cut_end();
  }
  memset(at, 0xff, flash.sector_bytes);
  return true;
}

static void nothing(void) {}

struct medium nor_medium(uint32_t sector_bytes, uint32_t sector_count, uint32_t word_bytes, uint32_t page_count) {
  flash = (struct pages_flash){sector_bytes, sector_count, word_bytes, read_bytes, program, erase};
  uint32_t length = sector_bytes * sector_count;
  CHECK(length <= BYTES_MAX);
  memset(bytes, 0xff, sizeof bytes);
  return (struct medium){"NOR", &flash, page_count, bytes, length, nothing};
}
