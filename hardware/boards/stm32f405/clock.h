/* The clock tree, and time by it. */
#ifndef TALLYSTICK_CLOCK_H
#define TALLYSTICK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From the crystal: 168 MHz for the core, 84 MHz for USART1 and the timer, 48 MHz for the random number generator. False: the
 * crystal or the PLL does not start, and the chip runs on as it did.
 */
bool clock_start(void);

/* A timer that needs no interrupt: it goes on where the core stands still, as it does while flash is erased. */
void clock_time_start(void);

/* To be asked once in 24 days at least, after which the timer begins anew. */
uint64_t clock_time_ms(void);

#endif
