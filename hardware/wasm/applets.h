/*
 * The applets of this image, and running them: power, one command at a time, and an end to those that trap. Each has an
 * element of its own (platform/element.h) and linear memory in static storage, no larger than the applet's static data.
 */
#ifndef TALLYSTICK_APPLETS_H
#define TALLYSTICK_APPLETS_H

#include <stdbool.h>
#include <stdint.h>

/* Applets of this image; not all of them need be on this chip (board_has_applet). */
extern const uint32_t applets_count;

/* The last byte of its AID. `index` counts from zero, everywhere here. */
uint32_t applet_number(uint32_t index);

/* As its binary is called. */
const char *applet_name(uint32_t index);

/* Starts the applet with new memory. False, and off: it did not start. */
bool applet_power_on(uint32_t index);

/* Nothing of it stays in memory. */
void applet_power_off(uint32_t index);

bool applet_is_on(uint32_t index);

/* Bytes of the longest command and of the longest response. The applet is on. */
uint32_t applet_buffer_bytes(uint32_t index);

/* The I/O buffer, whose size goes to `buffer_bytes`. Between two commands nothing is kept there. The applet is on. */
uint8_t *applet_buffer(uint32_t index, uint32_t *buffer_bytes);

/*
 * Runs the command of `command_length` bytes in the I/O buffer. The response lies there until the next command. NULL, and the applet
 * is off, when it trapped or broke its contract.
 */
const uint8_t *applet_command(uint32_t index, uint32_t command_length, uint32_t *response_length);

#endif
