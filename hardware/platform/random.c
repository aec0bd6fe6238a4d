#include "random.h"

#include <string.h>

#include "boards/board.h"
#include "bytes.h"
#include "element.h"

/* Hash of the block before: a source that gives the same block twice is stuck. */
static uint8_t before[BOARD_RANDOM_BLOCK_BYTES];
static bool is_before_known;

static bool draw_block(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  uint8_t digest[TALLYSTICK_HASH_BYTES];
  if (!board_random(block)) return false;
  /* Not the block itself, which becomes somebody's key. */
  bool is_hashed = tallystick_sha256(block, BOARD_RANDOM_BLOCK_BYTES, digest, sizeof digest) == 0;
  bool is_stuck = is_before_known && bytes_equal(digest, before, sizeof before);
  memcpy(before, digest, sizeof before);
  is_before_known = true;
  return is_hashed && !is_stuck;
}

bool random_draw(uint8_t *destination, uint32_t length) {
  uint8_t block[BOARD_RANDOM_BLOCK_BYTES];
  bool is_good = true;
  for (uint32_t offset = 0; is_good && offset < length; offset += sizeof block) {
    is_good = draw_block(block);
    if (!is_good) break;
    uint32_t left = length - offset;
    memcpy(destination + offset, block, left < sizeof block ? left : sizeof block);
  }
  bytes_wipe(block, sizeof block);
  if (!is_good) bytes_wipe(destination, length);
  return is_good;
}

int32_t tallystick_random_bytes(uint8_t *destination, uint32_t destination_length) {
  return random_draw(destination, destination_length) ? 0 : TALLYSTICK_RANDOM_FAILURE;
}
