/* How the driver of the flash reaches its chips: apart from it, so that tests can give it others (test/cfi). */
#ifndef TALLYSTICK_CFI_BUS_H
#define TALLYSTICK_CFI_BUS_H

#include <stdint.h>

/* One word of both chips, the first of them in the lower half. Addresses count from the flash's beginning, in bytes. */
uint32_t cfi_bus_read(uint32_t address);
void cfi_bus_write(uint32_t address, uint32_t word);

/* Any bytes, of chips that read as memory does. */
void cfi_bus_copy(uint32_t address, uint8_t *destination, uint32_t length);

#endif
