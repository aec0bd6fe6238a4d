/* All of it: see main.ts beside this. */

#include <stdbool.h>

#include "check.h"
#include "drivers.h"
#include "medium.h"
#include "nor.h"
#include "platform/element.h"
#include "store-cuts.h"

#define KIB 1024u
#define STEPS_BEFORE 2000

/* What libsodium calls when it is misused. */
void element_stop(void) {
  CHECK(false);
  abort();
}

static void on_nor(uint32_t sector_bytes, uint32_t sector_count, uint32_t word_bytes, uint32_t page_count, uint32_t steps,
                   uint32_t tears_each) {
  struct medium medium = nor_medium(sector_bytes, sector_count, word_bytes, page_count);
  (void)printf("pages on NOR flash: %u x %u KiB, words of %u, %u pages\n", sector_count, sector_bytes / KIB, word_bytes,
               page_count);
  pages_cuts(&medium, STEPS_BEFORE, steps, tears_each);
  pages_refusals(&medium);
}

static void on_chip(uint32_t effort) {
  struct medium medium = chip_medium(100);
  (void)printf("pages on the driver on the model: 5 x 128 KiB, 100 pages\n");
  pages_cuts(&medium, STEPS_BEFORE, 60 * effort, 1);
  pages_refusals(&medium);
  (void)printf("registers of two elements on the driver on the model\n");
  medium = chip_medium(0);
  store_cuts(&medium, 15 * effort);
}

int main(int count, char **values) {
  uint32_t effort = count > 1 ? (uint32_t)strtoul(values[1], NULL, 10) : 1;
  random_seed(count > 2 ? strtoull(values[2], NULL, 10) : 1);
  model_negatives();
  drivers();
  (void)printf("drivers of the STM32F405 on the model of its controllers: clock, pins, serial line, flash, random\n");
  on_chip(effort);
  on_nor(16 * KIB, 10, 4, 11, 1000 * effort, 8);
  on_nor(32 * KIB, 5, 32, 12, 1000 * effort, 2);
  on_nor(16 * KIB, 10, 1, 11, 500 * effort, 2);
  on_nor(256 * KIB, 5, 4, 198, 400 * effort, 1);
  copies_damage();
  (void)printf("registers of two elements in pages on NOR flash\n");
  struct medium medium = nor_medium(16 * KIB, 10, 4, 0);
  store_cuts(&medium, 400 * effort);
  medium = nor_medium(128 * KIB, 5, 4, 100);
  (void)printf("wear on NOR flash: 5 x 128 KiB, 100 pages\n");
  pages_wear(&medium, 4000 * effort);
  return 0;
}
