/* Checks of the chip's drivers, and its flash as a medium of pages. */
#ifndef TALLYSTICK_DRIVERS_H
#define TALLYSTICK_DRIVERS_H

#include "medium.h"

/* Flash driver over the model, erased. */
struct medium chip_medium(uint32_t page_count);

void drivers(void);

/* That the model notices what drivers must not do. */
void model_negatives(void);

#endif
