/*
 * The chip's random number generator (RM0090, RNG). Its words are not taken as they come: sixteen of them, twice as many bytes as
 * are given out, are hashed to a block.
 */
#ifndef TALLYSTICK_CHIP_RANDOM_H
#define TALLYSTICK_CHIP_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "boards/board.h"

/* The clock tree is set up. False: it gives no words; chip_random_block may still begin it anew. */
bool chip_random_start(void);

/*
 * False: the generator says that its seed or clock is wrong, gives one word twice in a row, or gives none, and does so again after
 * it was begun anew.
 */
bool chip_random_block(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]);

#endif
