#include "store.h"

#include "boards/board.h"
#include "boards/paged/store.h"
#include "cfi.h"
#include "platform/element.h"

/* The simulator's usual geometry (simulator/flash.ts), so that both keep the same. */
#define PAGE_COUNT 64
/* The first so many: as few as there is room for the pages in, so that they are collected often. */
#define SECTOR_COUNT 5

const struct board_flash board_flash = {PAGES_PAGE_BYTES, PAGE_COUNT, CFI_WORD_BYTES};

static struct pages_flash flash = {0, SECTOR_COUNT, CFI_WORD_BYTES, cfi_read, cfi_program, cfi_erase};

bool store_start(void) {
  struct cfi_geometry geometry;
  if (!cfi_start(&geometry) || geometry.sector_count < SECTOR_COUNT) return false;
  flash.sector_bytes = geometry.sector_bytes;
  return paged_store_open(&flash, ELEMENTS_MAX);
}
