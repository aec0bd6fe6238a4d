#include "pages-sector.h"

#include <string.h>

#include "platform/bytes.h"

#define FORMAT_VERSION 1u
#define WORD_BYTES_MAX 32
/* A number and its complement. */
#define NUMBER_BYTES 8
#define NUMBERS_MAX 3
/* Each record begins with a word of its own, whatever the word's size. */
#define FORMAT_AT 0
#define BEGIN_AT 32
#define COMMIT_AT 64
#define ENTRIES_AT 96
#define CLAIM_BYTES 4
#define UNITS_OF_ENTRY 2
#define LOOK_BYTES 256
#define SECTOR_BYTES_MAX (1u << 20)

bool is_blank(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    if (bytes[i] != BLANK) return false;
  }
  return true;
}

static bool is_power_of_two(uint32_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

static uint32_t unit_bytes(const struct pages_flash *flash) {
  return flash->word_bytes < CLAIM_BYTES ? CLAIM_BYTES : flash->word_bytes;
}

static uint32_t slots_of(const struct pages_flash *flash) {
  return flash->sector_bytes / PAGES_PAGE_BYTES - 1;
}

bool sector_has_room(const struct pages_flash *flash) {
  if (!is_power_of_two(flash->sector_bytes) || !is_power_of_two(flash->word_bytes)) return false;
  if (flash->word_bytes > WORD_BYTES_MAX || flash->sector_bytes > SECTOR_BYTES_MAX) return false;
  if (flash->sector_bytes < 2 * PAGES_PAGE_BYTES) return false;
  return ENTRIES_AT + slots_of(flash) * UNITS_OF_ENTRY * unit_bytes(flash) <= PAGES_PAGE_BYTES;
}

/* Each in bits of its own: four, six, five, nine and eight. */
uint32_t sector_geometry(const struct pages_flash *flash, uint32_t page_count) {
  return FORMAT_VERSION << 28 | flash->word_bytes << 22 | flash->sector_count << 17 | page_count << 8 | slots_of(flash);
}

static bool number_read(const uint8_t *bytes, uint32_t *number) {
  *number = bytes_read32(bytes);
  return bytes_read32(bytes + 4) == ~*number;
}

static uint32_t address_of(const struct pages_flash *flash, uint32_t sector, uint32_t offset) {
  return sector * flash->sector_bytes + offset;
}

bool sector_read(const struct pages_flash *flash, uint32_t sector, struct sector_header *header) {
  uint8_t bytes[ENTRIES_AT];
  uint32_t committed;
  if (!flash->read(address_of(flash, sector, 0), bytes, sizeof bytes)) return false;
  bool is_geometry = number_read(bytes + FORMAT_AT, &header->geometry);
  bool is_number = number_read(bytes + FORMAT_AT + NUMBER_BYTES, &header->number);
  bool is_erases = number_read(bytes + FORMAT_AT + 2 * NUMBER_BYTES, &header->erases);
  header->is_formatted = is_geometry && is_number && is_erases;
  bool is_begin = number_read(bytes + BEGIN_AT, &header->begin);
  bool is_replaces = number_read(bytes + BEGIN_AT + NUMBER_BYTES, &header->replaces);
  bool is_commit = number_read(bytes + COMMIT_AT, &committed);
  bool is_begun = header->is_formatted && is_begin && is_replaces;
  header->is_committed = is_begun && is_commit && committed == header->begin;
  header->is_unused = header->is_formatted && is_blank(bytes + BEGIN_AT, ENTRIES_AT - BEGIN_AT);
  if (!is_begun) {
    header->begin = 0;
    header->replaces = SECTOR_NONE;
  }
  return true;
}

bool sector_is_clean(const struct pages_flash *flash, uint32_t sector, bool *is_clean) {
  uint8_t piece[LOOK_BYTES];
  *is_clean = true;
  for (uint32_t at = BEGIN_AT; *is_clean && at < flash->sector_bytes;) {
    uint32_t length = flash->sector_bytes - at < sizeof piece ? flash->sector_bytes - at : (uint32_t)sizeof piece;
    if (!flash->read(address_of(flash, sector, at), piece, length)) return false;
    *is_clean = is_blank(piece, length);
    at += length;
  }
  return true;
}

/* Programs whole words, and reads back what is there now. */
static bool put(const struct pages_flash *flash, uint32_t address, const uint8_t *bytes, uint32_t length) {
  uint8_t padded[NUMBERS_MAX * NUMBER_BYTES + WORD_BYTES_MAX];
  uint8_t found[NUMBERS_MAX * NUMBER_BYTES];
  uint32_t word = flash->word_bytes;
  uint32_t whole = (length + word - 1) / word * word;
  memset(padded, BLANK, sizeof padded);
  memcpy(padded, bytes, length);
  (void)flash->program(address, padded, whole);
  return flash->read(address, found, length) && memcmp(found, bytes, length) == 0;
}

static bool put_numbers(const struct pages_flash *flash, uint32_t address, const uint32_t *numbers, uint32_t count) {
  uint8_t bytes[NUMBERS_MAX * NUMBER_BYTES];
  for (uint32_t i = 0; i < count; i++) {
    bytes_write32(bytes + i * NUMBER_BYTES, numbers[i]);
    bytes_write32(bytes + i * NUMBER_BYTES + 4, ~numbers[i]);
  }
  return put(flash, address, bytes, count * NUMBER_BYTES);
}

bool sector_format(const struct pages_flash *flash, uint32_t sector, uint32_t geometry, uint32_t number, uint32_t erases) {
  const uint32_t numbers[] = {geometry, number, erases};
  return put_numbers(flash, address_of(flash, sector, FORMAT_AT), numbers, 3);
}

bool sector_begin(const struct pages_flash *flash, uint32_t sector, uint32_t number, uint32_t replaces) {
  const uint32_t numbers[] = {number, replaces};
  return put_numbers(flash, address_of(flash, sector, BEGIN_AT), numbers, 2);
}

bool sector_commit(const struct pages_flash *flash, uint32_t sector, uint32_t number) {
  return put_numbers(flash, address_of(flash, sector, COMMIT_AT), &number, 1);
}

uint32_t slot_address(const struct pages_flash *flash, uint32_t sector, uint32_t slot) {
  return address_of(flash, sector, (1 + slot) * PAGES_PAGE_BYTES);
}

static uint32_t entry_address(const struct pages_flash *flash, uint32_t sector, uint32_t slot) {
  return address_of(flash, sector, ENTRIES_AT + slot * UNITS_OF_ENTRY * unit_bytes(flash));
}

bool slot_read(const struct pages_flash *flash, uint32_t sector, uint32_t slot, struct slot_entry *entry) {
  uint8_t bytes[UNITS_OF_ENTRY * WORD_BYTES_MAX];
  uint32_t unit = unit_bytes(flash);
  if (!flash->read(entry_address(flash, sector, slot), bytes, UNITS_OF_ENTRY * unit)) return false;
  uint32_t claim = bytes_read32(bytes);
  const uint8_t *dead = bytes + unit;
  entry->page = claim & 0xffff;
  entry->is_blank = is_blank(bytes, UNITS_OF_ENTRY * unit);
  entry->is_live = claim >> 16 == (~claim & 0xffff) && is_blank(dead, unit);
  entry->is_marked = true;
  for (uint32_t i = 0; i < unit; i++) entry->is_marked = entry->is_marked && dead[i] == 0;
  return true;
}

bool slot_claim(const struct pages_flash *flash, uint32_t sector, uint32_t slot, uint32_t page) {
  uint8_t bytes[CLAIM_BYTES];
  bytes_write32(bytes, page | (~page & 0xffff) << 16);
  return put(flash, entry_address(flash, sector, slot), bytes, sizeof bytes);
}

bool slot_kill(const struct pages_flash *flash, uint32_t sector, uint32_t slot) {
  static const uint8_t zeros[WORD_BYTES_MAX];
  struct slot_entry entry;
  uint32_t unit = unit_bytes(flash);
  (void)flash->program(entry_address(flash, sector, slot) + unit, zeros, unit);
  return slot_read(flash, sector, slot, &entry) && !entry.is_live;
}
