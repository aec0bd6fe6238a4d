/* The serial line. The core sleeps while nothing comes; QEMU holds back what the line's FIFO has no room for. */
#ifndef TALLYSTICK_SERIAL_H
#define TALLYSTICK_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

void serial_start(void);

/* Whether a byte waits. */
bool serial_has_byte(void);
uint8_t serial_receive(void);
void serial_send(uint8_t byte);

#endif
