/*
 * What the platform keeps for one element: an applet's key slots, its monotonic counter, and the moment at which it got power.
 *
 * The functions of `platform.generated.h` name no element: they serve the current one, which whoever runs an applet chooses
 * before each call into it. Flash is not kept here: it is the board's, and read each time.
 */
#ifndef TALLYSTICK_ELEMENT_H
#define TALLYSTICK_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "platform.generated.h"

/* Elements of one chip: an agent, a money module, a purse. */
#define ELEMENTS_MAX 3

#define SLOTS (TALLYSTICK_SLOTS_PERSISTENT + TALLYSTICK_SLOTS_VOLATILE)
/* A kind byte and 32 secret bytes. */
#define SLOT_BYTES (1 + TALLYSTICK_KEY_BYTES)
#define COUNTER_BYTES 4
/* What outlives power: the counter (little endian), then the persistent slots. The volatile slots follow. */
#define REGISTER_BYTES_PERSISTENT (COUNTER_BYTES + TALLYSTICK_SLOTS_PERSISTENT * SLOT_BYTES)
#define REGISTER_BYTES (COUNTER_BYTES + SLOTS * SLOT_BYTES)

#define PUBLIC_KEYS_MAX 4

struct element {
  /* Which of the chip's elements it is: the board keeps their flash and registers apart. */
  uint32_t number;
  uint64_t powered_on_at_ms;
  uint8_t registers[REGISTER_BYTES];
  /*
   * Public keys that were asked for last: they cost half a signature to make again. An applet has two of its own, and one of a session
   * that begins.
   */
  struct public_key {
    bool is_known;
    uint8_t slot;
    uint8_t bytes[TALLYSTICK_KEY_BYTES];
  } public_keys[PUBLIC_KEYS_MAX];
  /* Which is forgotten next. */
  uint32_t public_key_oldest;
};

/* The element that the platform's functions serve now. */
extern struct element *element_current;

/*
 * Power comes: counter and persistent keys as the board kept them, volatile slots empty, the clock at zero. False when the
 * board cannot read them: the element must not run.
 */
bool element_power_on(struct element *element, uint32_t number);

/* Power goes: no key stays in memory. */
void element_power_off(struct element *element);

/*
 * Ends the running applet; its element is off until power comes again. For what the platform has no status for: registers or
 * flash that cannot be read or written, where nobody knows any more what is kept. Implemented by whoever runs applets.
 */
_Noreturn void element_stop(void);

/* The current element's registers, changed as one: they are kept without power before this returns. */
void element_save_registers(void);

#endif
