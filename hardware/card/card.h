/*
 * A card: the applets of this chip behind one contact. SELECT chooses among them, and each may have a logical channel of its own
 * (ISO/IEC 7816-4, 5.4.1 and 11.1.2). An applet knows nothing of channels: they end here. simulator/card/card.ts is the same.
 */
#ifndef TALLYSTICK_CARD_H
#define TALLYSTICK_CARD_H

#include <stdbool.h>
#include <stdint.h>

/* Of a command, so many bytes are kept: an applet whose I/O buffer is longer is not started. */
#define CARD_COMMAND_BYTES_MAX 6400

struct card_response {
  const uint8_t *bytes;
  uint32_t length;
};

/* Gives power to all applets; a card that has it loses it first. */
void card_power_on(void);
void card_power_off(void);
bool card_is_on(void);

/*
 * One command APDU of `length` bytes, the first CARD_COMMAND_BYTES_MAX of which are in `command`, and the response with its status
 * word, which lies where it is until the next command. `command` may be changed. The card is on.
 */
struct card_response card_transmit(uint8_t *command, uint32_t length);

/* The answer to reset (ISO/IEC 7816-3, 8.2). */
struct card_response card_answer_to_reset(void);

#endif
