/* The first serial line. What comes in waits in a ring; the core sleeps while it is empty. Each board fills the ring in its way. */
#ifndef TALLYSTICK_SERIAL_H
#define TALLYSTICK_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

void serial_start(void);

/* Whether something came in. */
bool serial_waits(void);
uint8_t serial_receive(void);
void serial_send(uint8_t byte);

/* The interrupt's handler. */
void serial_interrupt(void);

#endif
