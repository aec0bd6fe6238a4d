/*
 * An element's flash and registers in a folder, in the files of the simulator (simulator/element-folder.ts): `flash.bin`, the
 * region and then the erasures of each page, and `keys.bin`; either program goes on where the other stopped. A process that
 * is killed loses nothing that was programmed; the machine's own power failure is not covered.
 */
#ifndef TALLYSTICK_FOLDER_H
#define TALLYSTICK_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens the folder of an element, PARENT/NAME, and makes it when it is not there. One process at a time may have it open. False:
 * it cannot be used, and why was said on standard error.
 */
bool folder_open(uint32_t element, const char *parent, const char *name);

/* Gives it back. */
void folder_close(uint32_t element);

#endif
