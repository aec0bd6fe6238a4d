#include "store.h"

#include <string.h>

#include "boards/board.h"
#include "boards/common/copies.h"
#include "platform/bytes.h"

/* Whole words of any size. */
#define COPY_ROOM ((COPY_BYTES + BOARD_FLASH_WORD_BYTES_MAX - 1) / BOARD_FLASH_WORD_BYTES_MAX * BOARD_FLASH_WORD_BYTES_MAX)
#define COPIES_PER_AREA (PAGES_PAGE_BYTES / COPY_ROOM)
#define ERASED 0xff

static uint32_t elements_kept;

static uint32_t first_page(uint32_t element) {
  return element * (board_flash.page_count + REGISTER_AREAS);
}

bool paged_store_open(const struct pages_flash *flash, uint32_t elements) {
  elements_kept = 0;
  if (board_flash.page_bytes != PAGES_PAGE_BYTES || board_flash.word_bytes != flash->word_bytes) return false;
  if (elements > ELEMENTS_MAX || !pages_start(flash, first_page(elements))) return false;
  elements_kept = elements;
  return true;
}

static bool is_kept(uint32_t element, uint32_t page) {
  return element < elements_kept && page < board_flash.page_count;
}

bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  for (uint32_t done = 0; done < length;) {
    uint32_t page = (address + done) / PAGES_PAGE_BYTES;
    uint32_t offset = (address + done) % PAGES_PAGE_BYTES;
    uint32_t left = length - done;
    uint32_t piece = left < PAGES_PAGE_BYTES - offset ? left : PAGES_PAGE_BYTES - offset;
    if (!is_kept(element, page)) return false;
    if (!pages_read(first_page(element) + page, offset, destination + done, piece)) return false;
    done += piece;
  }
  return true;
}

bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  uint32_t page = address / PAGES_PAGE_BYTES;
  if (!is_kept(element, page)) return false;
  return pages_program(first_page(element) + page, address % PAGES_PAGE_BYTES, source, length);
}

bool board_flash_erase(uint32_t element, uint32_t page) {
  return is_kept(element, page) && pages_erase(first_page(element) + page);
}

static uint32_t area_page(uint32_t element, uint32_t area) {
  return first_page(element) + board_flash.page_count + area;
}

static bool read_copy(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]) {
  uint32_t page = area_page(element, copy / COPIES_PER_AREA);
  return pages_read(page, copy % COPIES_PER_AREA * COPY_ROOM, bytes, COPY_BYTES);
}

static bool write_copy(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]) {
  uint8_t room[COPY_ROOM];
  uint32_t page = area_page(element, copy / COPIES_PER_AREA);
  memset(room, ERASED, sizeof room);
  memcpy(room, bytes, COPY_BYTES);
  bool is_written = pages_program(page, copy % COPIES_PER_AREA * COPY_ROOM, room, sizeof room);
  bytes_wipe(room, sizeof room);
  return is_written;
}

static bool erase_area(uint32_t element, uint32_t area) {
  return pages_erase(area_page(element, area));
}

static const struct copies copies = {COPIES_PER_AREA, read_copy, write_copy, erase_area};

bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length) {
  return element < elements_kept && length == REGISTER_BYTES_PERSISTENT && copies_load(&copies, element, registers);
}

bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  return element < elements_kept && length == REGISTER_BYTES_PERSISTENT && copies_save(&copies, element, registers);
}
