/* An applet's compiled code as a value. The build writes `applet-codes.c`, one entry for each applet of the image. */
#ifndef TALLYSTICK_APPLET_CODE_H
#define TALLYSTICK_APPLET_CODE_H

#include <stdint.h>

#include "binding.h"
#include "platform/element.h"

struct applet_code {
  /* As its binary is called. */
  const char *name;
  /* The last byte of its AID. */
  uint32_t number;
  struct element *element;
  wasm_rt_memory_t *memory;
  /* Address of the I/O buffer in linear memory, and its size. */
  uint32_t (*buffer)(void);
  uint32_t (*buffer_bytes)(void);
  /* Makes new memory, and runs `boot`. */
  int32_t (*start)(uint32_t unused);
  int32_t (*command)(uint32_t length);
  void (*wipe)(void);
};

extern const struct applet_code applet_codes[];

/* Defines what one entry needs, from the names that wasm2c gives. */
#define APPLET_CODE(ID, MEMORY_BYTES)                                                                   \
  static w2c_##ID ID##_instance;                                                                        \
  static struct element ID##_element;                                                                   \
  static uint8_t ID##_bytes[MEMORY_BYTES] __attribute__((aligned(8))); \
  static struct w2c_tallystick ID##_binding = {&ID##_instance.w2c_memory};                              \
  static int32_t ID##_start(uint32_t unused) {                                                          \
    (void)unused;                                                                                       \
    ID##_instance.w2c_memory.data = ID##_bytes;                                                         \
    ID##_instance.w2c_memory.capacity = sizeof ID##_bytes;                                              \
    wasm2c_##ID##_instantiate(&ID##_instance, &ID##_binding);                                           \
    return (int32_t)w2c_##ID##_boot(&ID##_instance);                                                    \
  }                                                                                                     \
  static uint32_t ID##_buffer(void) {                                                                   \
    return w2c_##ID##_buffer(&ID##_instance);                                                           \
  }                                                                                                     \
  static uint32_t ID##_buffer_bytes(void) {                                                             \
    return w2c_##ID##_bufferSize(&ID##_instance);                                                       \
  }                                                                                                     \
  static int32_t ID##_command(uint32_t length) {                                                        \
    return (int32_t)w2c_##ID##_command(&ID##_instance, length);                                         \
  }                                                                                                     \
  static void ID##_wipe(void) {                                                                         \
    bytes_wipe(ID##_bytes, sizeof ID##_bytes);                                                          \
    bytes_wipe(&ID##_instance, sizeof ID##_instance);                                                   \
  }

#define APPLET_ENTRY(ID, NAME, NUMBER)                                                               \
  {NAME, NUMBER, &ID##_element, &ID##_instance.w2c_memory, ID##_buffer, ID##_buffer_bytes, \
   ID##_start, ID##_command, ID##_wipe}

#endif
