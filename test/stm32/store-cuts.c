/* Flash and registers of two elements in pages (boards/paged/store.h): power cut at every operation of saves between other work. */

#include "store-cuts.h"

#include <string.h>

#include "boards/board.h"
#include "boards/paged/store.h"
#include "check.h"
#include "cut.h"
#include "platform/element.h"

#define ELEMENTS 2
#define BYTES_MAX (2048u * 1024u)
#define PROGRAM_BYTES 64

const struct board_flash board_flash = {PAGES_PAGE_BYTES, STORE_CUTS_PAGES, 4};

static uint8_t image[BYTES_MAX];
static uint8_t kept[ELEMENTS][REGISTER_BYTES_PERSISTENT];
static uint8_t next[REGISTER_BYTES_PERSISTENT];
static uint8_t found[REGISTER_BYTES_PERSISTENT];

static bool holds(uint32_t element, const uint8_t *registers) {
  CHECK(board_registers_load(element, found, sizeof found));
  return memcmp(found, registers, sizeof found) == 0;
}

static void start(const struct medium *medium) {
  medium->power_on();
  CHECK(paged_store_open(medium->flash, ELEMENTS));
}

/* Whatever a cut left is there afterwards, and can be changed. */
static void check_cut(const struct medium *medium, uint32_t element) {
  start(medium);
  CHECK(holds(1 - element, kept[1 - element]));
  CHECK(holds(element, kept[element]) || holds(element, next));
  CHECK(board_registers_save(element, next, sizeof next));
  start(medium);
  CHECK(holds(element, next) && holds(1 - element, kept[1 - element]));
}

/* Saves, cut behind so many operations; false: it came to its end before. */
static bool run_cut(const struct medium *medium, uint32_t element, uint32_t left) {
  memcpy(medium->bytes, image, medium->length);
  start(medium);
  if (setjmp(cut.power) == 0) {
    cut_arm(left, random_below(TEARS));
    CHECK(board_registers_save(element, next, sizeof next));
    cut_disarm();
    return false;
  }
  check_cut(medium, element);
  return true;
}

/* Something in flash, so that registers are collected with it. */
static void work(uint32_t element) {
  uint8_t bytes[PROGRAM_BYTES];
  uint32_t page = random_below(STORE_CUTS_PAGES);
  memset(bytes, (int)random_below(256), sizeof bytes);
  CHECK(board_flash_erase(element, page));
  CHECK(board_flash_program(element, page * PAGES_PAGE_BYTES, bytes, sizeof bytes));
  uint8_t back[PROGRAM_BYTES];
  CHECK(board_flash_read(element, page * PAGES_PAGE_BYTES, back, sizeof back) && memcmp(back, bytes, sizeof back) == 0);
}

static void check_refusals(const struct medium *medium) {
  uint8_t byte;
  start(medium);
  CHECK(!board_flash_read(0, STORE_CUTS_PAGES * PAGES_PAGE_BYTES - 1, found, 2));
  CHECK(!board_flash_read(ELEMENTS, 0, &byte, 1) && !board_registers_load(ELEMENTS, found, sizeof found));
  CHECK(!board_flash_erase(0, STORE_CUTS_PAGES) && !board_registers_load(0, found, sizeof found - 1));
  CHECK(!paged_store_open(medium->flash, ELEMENTS_MAX + 1));
}

void store_cuts(const struct medium *medium, uint32_t saves) {
  uint64_t cuts = 0;
  start(medium);
  memset(kept, 0, sizeof kept);
  CHECK(holds(0, kept[0]) && holds(1, kept[1]));
  for (uint32_t i = 0; i < saves; i++) {
    uint32_t element = random_below(ELEMENTS);
    for (uint32_t j = 0; j < sizeof next; j++) next[j] = (uint8_t)random_below(256);
    work(element);
    while (random_below(4) != 0 && pages_prepare()) continue;
    memcpy(image, medium->bytes, medium->length);
    uint32_t left = 0;
    while (run_cut(medium, element, left)) left++;
    cuts += left;
    memcpy(kept[element], next, sizeof next);
  }
  check_refusals(medium);
  (void)printf("  %u saves, %llu cuts\n", saves, (unsigned long long)cuts);
}
