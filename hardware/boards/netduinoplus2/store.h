/* Flash and registers of all elements in one file of the host: QEMU has this chip's flash, but not what programs it. */
#ifndef TALLYSTICK_STORE_H
#define TALLYSTICK_STORE_H

#include <stdbool.h>

/* Opens the file, and makes an erased one when it is not there. */
bool store_open(const char *path);

#endif
