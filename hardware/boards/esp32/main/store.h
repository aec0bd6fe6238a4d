/* Flash and registers of the elements in one partition of the chip's flash. */
#ifndef TALLYSTICK_STORE_H
#define TALLYSTICK_STORE_H

#include <stdbool.h>

/* Finds the partition; false: there is none, or it is too small. */
bool store_open(void);

#endif
