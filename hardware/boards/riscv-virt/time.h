/* Time since reset, by the clock that does not stop. */
#ifndef TALLYSTICK_TIME_H
#define TALLYSTICK_TIME_H

#include <stdint.h>

uint64_t time_us(void);

#endif
