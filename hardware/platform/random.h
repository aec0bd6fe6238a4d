/* Random bytes, with a test of their source. */
#ifndef TALLYSTICK_RANDOM_H
#define TALLYSTICK_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* False: the source failed its own test or the platform's, and nothing was drawn. */
bool random_draw(uint8_t *destination, uint32_t length);

#endif
