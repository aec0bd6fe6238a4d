/* The pins of the first serial line: PA9 sends, PA10 receives, PA12 asks the other side to wait (RTS, low: it may send). */
#ifndef TALLYSTICK_PINS_H
#define TALLYSTICK_PINS_H

#include <stdbool.h>

/* Also gives USART1 its clock. */
void pins_start(void);

void pins_hold_sender(bool is_held);

#endif
