/* Calls of the platform by number, as an applet makes them, for tests that have no applet. */
#ifndef TALLYSTICK_CALLS_H
#define TALLYSTICK_CALLS_H

#include <stdint.h>

#include "wasm/binding.h"

/* The most that any function takes: aead_seal. */
#define CALL_ARGUMENTS_MAX 10

uint32_t call(struct w2c_tallystick *applet, uint32_t number, const uint32_t arguments[CALL_ARGUMENTS_MAX]);

#endif
