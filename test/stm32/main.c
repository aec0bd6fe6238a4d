/* All of it: see main.ts beside this. */

#include <stdbool.h>

#include "check.h"
#include "medium.h"
#include "nor.h"
#include "platform/element.h"
#include "store-cuts.h"

#define KIB 1024u

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
  uint64_t cuts = pages_cuts(&medium, steps, tears_each);
  (void)printf("  %u steps, %llu cuts\n", steps, (unsigned long long)cuts);
  pages_refusals(&medium);
}

int main(int count, char **values) {
  uint32_t effort = count > 1 ? (uint32_t)strtoul(values[1], NULL, 10) : 1;
  random_seed(count > 2 ? strtoull(values[2], NULL, 10) : 1);
  on_nor(16 * KIB, 10, 4, 11, 2000 * effort, 8);
  on_nor(32 * KIB, 5, 32, 12, 2000 * effort, 2);
  on_nor(16 * KIB, 10, 1, 11, 500 * effort, 2);
  on_nor(256 * KIB, 5, 4, 198, 1000 * effort, 1);
  struct medium registers = nor_medium(16 * KIB, 10, 4, 0);
  uint32_t saves = 400 * effort;
  copies_damage();
  uint64_t cuts = store_cuts(&registers, saves);
  (void)printf("registers of two elements in pages: %u saves, %llu cuts\n", saves, (unsigned long long)cuts);
  struct medium medium = nor_medium(128 * KIB, 5, 4, 100);
  (void)printf("wear on NOR flash: 5 x 128 KiB, 100 pages\n");
  pages_wear(&medium, 4000 * effort);
  return 0;
}
