/* What an applet's imports find: its linear memory. The imports themselves are in `binding.generated.c`. */
#ifndef TALLYSTICK_BINDING_H
#define TALLYSTICK_BINDING_H

#include <stddef.h>
#include <stdint.h>

#include "wasm-rt.h"

/* The name that wasm2c gives to the instance of the module "tallystick". */
struct w2c_tallystick {
  wasm_rt_memory_t *memory;
};

/* The bytes from address on, or NULL where they do not all lie in linear memory. */
static inline uint8_t *binding_view(struct w2c_tallystick *applet, uint32_t address, uint32_t length) {
  if ((uint64_t)address + length > applet->memory->size) return NULL;
  return applet->memory->data + address;
}

#endif
