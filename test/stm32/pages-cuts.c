/* Pages under power cuts, beside a plain array that says what they must hold. */

#include <string.h>

#include "boards/common/pages-sector.h"
#include "check.h"
#include "cut.h"
#include "medium.h"

#define BYTES_MAX (2048u * 1024u)
#define PROGRAM_BYTES_MAX 640
/* Of a step with more operations than this, the first and last are cut one by one, those between at random. */
#define EDGE_OPERATIONS 40
#define PREPARE_STEPS_MAX 100
/* An operation fails instead, power staying, once for so many cuts. */
#define FAILURES_OF 3

struct page {
  uint8_t bytes[PAGES_PAGE_BYTES];
  /* Programmed up to here. */
  uint32_t used;
};

enum kind { STEP_PROGRAM, STEP_ERASE, STEP_PREPARE };

struct step {
  enum kind kind;
  uint32_t page;
  uint32_t offset;
  uint32_t length;
  uint8_t bytes[PROGRAM_BYTES_MAX];
};

static struct page shadow[PAGES_MAX];
static uint8_t image[BYTES_MAX];
static uint8_t found[PAGES_PAGE_BYTES];
static uint8_t wanted[PAGES_PAGE_BYTES];
static struct step step;

static bool is_taken(const struct step *it) {
  switch (it->kind) {
    case STEP_PROGRAM:
      return pages_program(it->page, it->offset, it->bytes, it->length);
    case STEP_ERASE:
      return pages_erase(it->page);
    default:
      (void)pages_prepare();
      return true;
  }
}

static void draw(struct step *it, const struct medium *medium) {
  uint32_t word = medium->flash->word_bytes;
  it->page = random_below(medium->page_count);
  struct page *page = &shadow[it->page];
  uint32_t dice = random_below(16);
  it->kind = dice == 0 ? STEP_PREPARE : dice < 5 && page->used > 0 ? STEP_ERASE : STEP_PROGRAM;
  if (it->kind == STEP_PROGRAM && page->used == PAGES_PAGE_BYTES) it->kind = STEP_ERASE;
  if (it->kind != STEP_PROGRAM) return;
  /* Words are left out now and then, which must stay erased wherever the page goes. */
  uint32_t left = (PAGES_PAGE_BYTES - page->used) / word;
  uint32_t skipped = random_below(4) == 0 ? random_below(left < 4 ? left : 4) : 0;
  uint32_t most = left - skipped < PROGRAM_BYTES_MAX / word ? left - skipped : PROGRAM_BYTES_MAX / word;
  it->offset = page->used + skipped * word;
  it->length = (1 + random_below(most)) * word;
  for (uint32_t i = 0; i < it->length; i++) it->bytes[i] = (uint8_t)random_below(256);
}

static void note(const struct step *it) {
  struct page *page = &shadow[it->page];
  if (it->kind == STEP_ERASE) {
    memset(page, 0xff, sizeof page->bytes);
    page->used = 0;
  }
  if (it->kind == STEP_PROGRAM) {
    memcpy(page->bytes + it->offset, it->bytes, it->length);
    page->used = it->offset + it->length;
  }
}

static bool holds(uint32_t page, const uint8_t *bytes) {
  CHECK(pages_read(page, 0, found, sizeof found));
  return memcmp(found, bytes, sizeof found) == 0;
}

/* A step that was cut: erased or whole; of what was programmed any bits. What is there is left in `wanted`. */
static void check_torn(const struct step *it) {
  const struct page *page = &shadow[it->page];
  CHECK(pages_read(it->page, 0, found, sizeof found));
  memcpy(wanted, found, sizeof wanted);
  if (it->kind == STEP_ERASE) {
    CHECK(is_blank(found, sizeof found) || memcmp(found, page->bytes, sizeof found) == 0);
    return;
  }
  for (uint32_t i = 0; i < sizeof found; i++) {
    bool is_within = it->kind == STEP_PROGRAM && i >= it->offset && i - it->offset < it->length;
    uint8_t least = is_within ? page->bytes[i] & it->bytes[i - it->offset] : page->bytes[i];
    CHECK((found[i] & least) == least && (found[i] | page->bytes[i]) == page->bytes[i]);
  }
}

static void check_others(const struct medium *medium, uint32_t but) {
  for (uint32_t page = 0; page < medium->page_count; page++) {
    if (page != but) CHECK(holds(page, shadow[page].bytes));
  }
}

static void start(const struct medium *medium) {
  medium->power_on();
  CHECK(pages_start(medium->flash, medium->page_count));
}

static void prepare_all(void) {
  uint32_t steps = 0;
  while (pages_prepare()) CHECK(++steps < PREPARE_STEPS_MAX);
}

/* Work after a cut, which is cut as well: recovery, what it left to do, and a program that needs a slot. */
static void go_on(const struct medium *medium, uint32_t cut_page) {
  static const uint8_t zeros[32];
  if (setjmp(cut.power) == 0) {
    cut_arm(random_below(random_below(2) == 0 ? 4 : 600), random_below(TEARS));
    start(medium);
    prepare_all();
    cut_disarm();
  }
  start(medium);
  CHECK(holds(cut_page, wanted));
  check_others(medium, cut_page);
  CHECK(pages_erase(cut_page));
  CHECK(pages_program(cut_page, 0, zeros, medium->flash->word_bytes));
  prepare_all();
  check_others(medium, cut_page);
}

/* Runs the step from the image, cut behind so many operations; false: it came to its end before. */
static bool run_cut(const struct medium *medium, uint32_t left, uint32_t tear) {
  memcpy(medium->bytes, image, medium->length);
  start(medium);
  if (setjmp(cut.power) == 0) {
    cut_arm(left, tear);
    CHECK(is_taken(&step));
    cut_disarm();
    return false;
  }
  start(medium);
  check_torn(&step);
  check_others(medium, step.page);
  if (random_below(4) == 0) go_on(medium, step.page);
  return true;
}

/* The same, but that operation fails and power stays. */
static void run_failure(const struct medium *medium, uint32_t left, uint32_t tear) {
  memcpy(medium->bytes, image, medium->length);
  start(medium);
  cut_arm_failure(left, tear);
  bool is_done = is_taken(&step);
  cut_disarm();
  check_torn(&step);
  if (is_done && step.kind == STEP_PROGRAM) CHECK(memcmp(wanted + step.offset, step.bytes, step.length) == 0);
  if (is_done && step.kind == STEP_ERASE) CHECK(is_blank(wanted, sizeof wanted));
  check_others(medium, step.page);
  if (random_below(2) == 0) prepare_all();
  /* What is changed afterwards stays so, whatever the failed operation left. */
  if (random_below(2) == 0) {
    CHECK(pages_erase(step.page));
    memset(wanted, BLANK, sizeof wanted);
    memset(wanted, 0, medium->flash->word_bytes);
    CHECK(pages_program(step.page, 0, wanted, medium->flash->word_bytes));
  }
  start(medium);
  CHECK(holds(step.page, wanted));
  check_others(medium, step.page);
}

static uint64_t run_cuts(const struct medium *medium, uint32_t operations, uint32_t tears_each) {
  uint64_t cuts = 0;
  uint32_t stride = operations > 4 * EDGE_OPERATIONS ? operations / (2 * EDGE_OPERATIONS) : 1;
  for (uint32_t left = 0; left < operations; left++) {
    bool is_edge = left < EDGE_OPERATIONS || left + EDGE_OPERATIONS >= operations;
    if (!is_edge && random_below(stride) != 0) continue;
    for (uint32_t i = 0; i < tears_each; i++) {
      uint32_t tear = tears_each < TEARS ? random_below(TEARS) : i;
      CHECK(run_cut(medium, left, tear));
      if (random_below(FAILURES_OF) == 0) run_failure(medium, left, tear);
      cuts++;
    }
  }
  return cuts;
}

/* One step, whole; returns how many sectors it erased. */
static uint64_t take(const struct step *it) {
  uint64_t before = cut.erasures;
  CHECK(is_taken(it));
  note(it);
  CHECK(holds(it->page, shadow[it->page].bytes));
  return cut.erasures - before;
}

void pages_cuts(const struct medium *medium, uint32_t steps_before, uint32_t steps, uint32_t tears_each) {
  uint64_t cuts = 0;
  uint64_t erasures = 0;
  for (uint32_t page = 0; page < medium->page_count; page++) {
    memset(shadow[page].bytes, 0xff, sizeof shadow[page].bytes);
    shadow[page].used = 0;
  }
  start(medium);
  for (uint32_t i = 0; i < steps_before; i++) {
    draw(&step, medium);
    (void)take(&step);
  }
  check_others(medium, PAGES_MAX);
  for (uint32_t i = 0; i < steps; i++) {
    draw(&step, medium);
    memcpy(image, medium->bytes, medium->length);
    uint64_t before = cut.operations;
    CHECK(is_taken(&step));
    cuts += run_cuts(medium, (uint32_t)(cut.operations - before), tears_each);
    memcpy(medium->bytes, image, medium->length);
    start(medium);
    erasures += take(&step);
  }
  check_others(medium, PAGES_MAX);
  (void)printf("  %u steps, in which %llu sectors were erased, %llu cuts\n", steps, (unsigned long long)erasures,
               (unsigned long long)cuts);
}
