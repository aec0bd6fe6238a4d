/* The applets of an image for WAMR: their WebAssembly as the build embeds it. The board has the table. */
#ifndef TALLYSTICK_WAMR_BINARIES_H
#define TALLYSTICK_WAMR_BINARIES_H

#include <stdint.h>

struct applet_binary {
  /* As its binary is called. */
  const char *name;
  /* The last byte of its AID. */
  uint32_t number;
  const uint8_t *start;
  const uint8_t *end;
};

/* `applets_count` of them (wasm/applets.h), at most ELEMENTS_MAX. */
extern const struct applet_binary applet_binaries[];

#endif
