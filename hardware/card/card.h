/*
 * A card: the applets of this chip behind one contact. SELECT chooses among them, and each may have a logical channel of its own
 * (ISO/IEC 7816-4, 5.4.1 and 11.1.2). An applet knows nothing of channels: they end here. simulator/card/card.ts is the same.
 */
#ifndef TALLYSTICK_CARD_H
#define TALLYSTICK_CARD_H

#include <stdbool.h>
#include <stdint.h>

struct card_response {
  const uint8_t *bytes;
  uint32_t length;
};

/* Gives power to all applets; a card that has it loses it first. */
void card_power_on(void);
void card_power_off(void);
bool card_is_on(void);

/*
 * A command APDU, byte by byte as it comes. Its first bytes tell which applet gets it, and the others go straight into that one's I/O
 * buffer, where nothing lies between two commands; of a longer command the rest is only counted.
 */
void card_command_take(uint8_t byte);

/* What was taken is no command; nothing of it stays. */
void card_command_drop(void);

/*
 * The command is whole: carries it out, and gives the response with its status word, which lies where it is until the next byte is
 * taken. The card is on.
 */
struct card_response card_command_end(void);

/* The answer to reset (ISO/IEC 7816-3, 8.2). */
struct card_response card_answer_to_reset(void);

#endif
