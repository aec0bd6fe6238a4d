/* The pins of the first serial line: PA9 sends, PA10 receives. */
#ifndef TALLYSTICK_PINS_H
#define TALLYSTICK_PINS_H

/* Also gives USART1 its clock. */
void pins_start(void);

#endif
