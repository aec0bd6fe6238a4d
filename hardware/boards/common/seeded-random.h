/*
 * Random bytes of a seed, so that a run can be repeated and compared with the simulator's: HMAC-SHA256 of a counter under a key
 * that is the hash of the seed (simulator/randomness.ts). For tests, never for real money.
 */
#ifndef TALLYSTICK_SEEDED_RANDOM_H
#define TALLYSTICK_SEEDED_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "boards/board.h"

void seeded_random_start(const char *seed);
bool seeded_random_block(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]);

#endif
