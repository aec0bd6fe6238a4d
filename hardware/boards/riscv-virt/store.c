#include "store.h"

#include "boards/board.h"
#include "boards/common/pages.h"
#include "boards/common/two-copies.h"
#include "cfi.h"

/* The simulator's usual geometry (simulator/flash.ts), so that both keep the same. */
#define PAGE_COUNT 64
/* Of an element: its flash, then what its registers are kept in. */
#define REGISTER_PAGES 2
#define ELEMENT_PAGES (PAGE_COUNT + REGISTER_PAGES)
/* As many as leave over what is needed to collect them: so that it is done often. */
#define SECTOR_COUNT 5

const struct board_flash board_flash = {PAGES_PAGE_BYTES, PAGE_COUNT, CFI_WORD_BYTES};

static struct pages_flash flash = {0, SECTOR_COUNT, CFI_WORD_BYTES, cfi_read, cfi_program, cfi_erase};

bool store_start(void) {
  struct cfi_geometry geometry;
  if (!cfi_start(&geometry) || geometry.sector_count < SECTOR_COUNT) return false;
  flash.sector_bytes = geometry.sector_bytes;
  return pages_start(&flash, ELEMENTS_MAX * ELEMENT_PAGES);
}

static uint32_t page_of(uint32_t element, uint32_t address) {
  return element * ELEMENT_PAGES + address / PAGES_PAGE_BYTES;
}

/* Of what may lie in several pages, as much as lies in the first. */
static uint32_t piece_of(uint32_t address, uint32_t length) {
  uint32_t room = PAGES_PAGE_BYTES - address % PAGES_PAGE_BYTES;
  return length < room ? length : room;
}

bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  while (length > 0) {
    uint32_t piece = piece_of(address, length);
    if (!pages_read(page_of(element, address), address % PAGES_PAGE_BYTES, destination, piece)) return false;
    address += piece;
    destination += piece;
    length -= piece;
  }
  return true;
}

/* The platform programs one page at a time. */
bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  return pages_program(page_of(element, address), address % PAGES_PAGE_BYTES, source, length);
}

bool board_flash_erase(uint32_t element, uint32_t page) {
  return pages_erase(element * ELEMENT_PAGES + page);
}

static uint32_t copy_page(uint32_t element, uint32_t copy) {
  return element * ELEMENT_PAGES + PAGE_COUNT + copy;
}

static bool read_copy(uint32_t element, uint32_t copy, uint8_t bytes[COPY_BYTES]) {
  return pages_read(copy_page(element, copy), 0, bytes, COPY_BYTES);
}

static bool write_copy(uint32_t element, uint32_t copy, const uint8_t bytes[COPY_BYTES]) {
  return pages_erase(copy_page(element, copy)) && pages_program(copy_page(element, copy), 0, bytes, COPY_BYTES);
}

static const struct copies copies = {read_copy, write_copy};

bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_load(&copies, element, registers);
}

bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  return length == REGISTER_BYTES_PERSISTENT && copies_save(&copies, element, registers);
}
