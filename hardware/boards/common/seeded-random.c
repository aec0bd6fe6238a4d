#include "seeded-random.h"

#include <string.h>

#include "platform.generated.h"

#define COUNTER_BYTES 8

static uint8_t key[TALLYSTICK_HASH_BYTES];
static uint64_t blocks;

void seeded_random_start(const char *seed) {
  (void)tallystick_sha256((const uint8_t *)seed, (uint32_t)strlen(seed), key, sizeof key);
  blocks = 0;
}

bool seeded_random_block(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  uint8_t counter[COUNTER_BYTES];
  for (unsigned i = 0; i < sizeof counter; i++) counter[i] = (uint8_t)(blocks >> (8 * i));
  blocks++;
  return tallystick_hmac_sha256(key, sizeof key, counter, sizeof counter, block, BOARD_RANDOM_BLOCK_BYTES) == 0;
}
