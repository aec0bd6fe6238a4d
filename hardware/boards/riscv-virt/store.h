/* Flash and registers of all elements, in pages on the second flash (boards/paged/store.h). */
#ifndef TALLYSTICK_STORE_H
#define TALLYSTICK_STORE_H

#include <stdbool.h>

/* Finds what the flash keeps; one that never kept anything becomes empty. False: it is not as this board needs it, or fails. */
bool store_start(void);

#endif
