/* NOR flash of any geometry, by its rules alone: what breaks one ends the run. */
#ifndef TALLYSTICK_NOR_H
#define TALLYSTICK_NOR_H

#include "boards/common/pages.h"
#include "medium.h"

/* Makes the model this flash, as new from the factory. */
struct medium nor_medium(uint32_t sector_bytes, uint32_t sector_count, uint32_t word_bytes, uint32_t page_count);

#endif
