/* Pages over long times, and at their limits. */

#include <string.h>

#include "boards/common/pages-sector.h"
#include "check.h"
#include "cut.h"
#include "medium.h"

#define PREPARE_STEPS_MAX 100
/* Of all pages, those that keep changing: the others lie still. */
#define HOT_PART 4
/* Beyond PAGES_WEAR_GAP: what is collected before the one behind is moved. */
#define SPREAD_BEYOND 4

static uint32_t prepare_all(void) {
  uint32_t steps = 0;
  while (pages_prepare()) CHECK(++steps < PREPARE_STEPS_MAX);
  return steps;
}

static void fill(const struct medium *medium, uint32_t page, uint8_t value) {
  uint8_t bytes[64];
  memset(bytes, value, sizeof bytes);
  CHECK(pages_erase(page));
  CHECK(pages_program(page, 0, bytes, sizeof bytes));
  CHECK(pages_program(page, PAGES_PAGE_BYTES - sizeof bytes, bytes, sizeof bytes));
  (void)medium;
}

static void check_page(uint32_t page, uint8_t value) {
  uint8_t bytes[64];
  CHECK(pages_read(page, PAGES_PAGE_BYTES - sizeof bytes, bytes, sizeof bytes));
  for (uint32_t i = 0; i < sizeof bytes; i++) CHECK(bytes[i] == value);
}

void pages_wear(const struct medium *medium, uint32_t erasures) {
  static uint8_t values[PAGES_MAX];
  medium->power_on();
  CHECK(pages_start(medium->flash, medium->page_count));
  uint64_t filled = 0;
  uint64_t begin = cut.erasures;
  (void)prepare_all();
  for (uint32_t page = 0; page < medium->page_count; page++) fill(medium, page, values[page] = (uint8_t)page);
  while (cut.erasures - begin < erasures) {
    uint64_t before = cut.erasures;
    /* What pages_prepare saw to costs no erasure, and beyond it a program costs two at most. */
    bool is_prepared = random_below(4) != 0;
    if (is_prepared) (void)prepare_all();
    before = cut.erasures;
    for (uint32_t i = 0; i < PAGES_AHEAD; i++) {
      uint32_t page = random_below(medium->page_count / HOT_PART);
      uint64_t at = cut.erasures;
      fill(medium, page, values[page] = (uint8_t)random_below(255));
      filled++;
      CHECK(cut.erasures - at <= 2);
    }
    if (is_prepared) CHECK(cut.erasures == before);
    if (random_below(64) == 0) {
      medium->power_on();
      CHECK(pages_start(medium->flash, medium->page_count));
    }
  }
  (void)prepare_all();
  uint32_t least = UINT32_MAX;
  uint32_t most = 0;
  for (uint32_t i = 0; i < medium->flash->sector_count; i++) {
    struct sector_header header;
    CHECK(sector_read(medium->flash, i, &header));
    if (header.erases < least) least = header.erases;
    if (header.erases > most) most = header.erases;
  }
  for (uint32_t page = 0; page < medium->page_count; page++) check_page(page, values[page]);
  CHECK(most - least <= PAGES_WEAR_GAP + SPREAD_BEYOND);
  double each = (double)(cut.erasures - begin) * (medium->flash->sector_bytes / PAGES_PAGE_BYTES - 1) / (double)filled;
  (void)printf("  %llu pages written anew, %llu erasures of sectors, %u to %u each, %.1f slots erased for one page written\n",
               (unsigned long long)filled, (unsigned long long)(cut.erasures - begin), least, most, each);
}

/* The n-th slot of the first sector in use that has a live page; its entry's address follows the format of pages.h. */
static uint32_t some_claim(const struct medium *medium) {
  for (uint32_t i = 0; i < medium->flash->sector_count; i++) {
    struct slot_entry entry;
    struct sector_header header;
    CHECK(sector_read(medium->flash, i, &header) && slot_read(medium->flash, i, 0, &entry));
    if (header.is_committed && entry.is_live) return i * medium->flash->sector_bytes + 96;
  }
  CHECK(false);
  return 0;
}

void pages_refusals(const struct medium *medium) {
  uint8_t word[32] = {0};
  const struct pages_flash *flash = medium->flash;
  memset(medium->bytes, 0xff, medium->length);
  medium->power_on();
  CHECK(pages_start(flash, medium->page_count));
  CHECK(pages_read(0, 0, word, sizeof word) && is_blank(word, sizeof word));
  memset(word, 0, sizeof word);
  CHECK(!pages_read(medium->page_count, 0, word, 1) && !pages_read(0, PAGES_PAGE_BYTES, word, 1));
  CHECK(!pages_program(0, PAGES_PAGE_BYTES - flash->word_bytes, word, 2 * flash->word_bytes));
  CHECK(flash->word_bytes == 1 || !pages_program(0, 1, word, flash->word_bytes));
  CHECK(!pages_erase(medium->page_count));
  CHECK(pages_program(0, 0, word, flash->word_bytes) && pages_program(1, 0, word, flash->word_bytes));
  /* Another geometry is no reason to erase what somebody keeps there. */
  CHECK(!pages_start(flash, medium->page_count - 1));
  CHECK(!pages_read(0, 0, word, 1) && !pages_program(0, 0, word, flash->word_bytes) && !pages_erase(0) && !pages_prepare());
  CHECK(!pages_start(flash, PAGES_MAX + 1));
  CHECK(!pages_start(flash, (flash->sector_count - 1) * (flash->sector_bytes / PAGES_PAGE_BYTES - 1)));
  CHECK(pages_start(flash, medium->page_count));
  /* Two slots that both say they are one page's. */
  uint32_t claim = some_claim(medium);
  uint32_t unit = flash->word_bytes < 4 ? 4 : flash->word_bytes;
  memcpy(medium->bytes + claim + 2 * unit, medium->bytes + claim, 4);
  medium->power_on();
  CHECK(!pages_start(flash, medium->page_count));
}
