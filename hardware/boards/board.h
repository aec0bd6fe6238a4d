/*
 * What a board provides: all that the portable code knows of the hardware under it. A port implements these functions, and a
 * `main` that starts what it needs and then calls `stream_serve`.
 *
 * A function that can fail says so by false, and the caller acts on it. Each element has flash and registers of its own: its number
 * is 0 to ELEMENTS_MAX - 1.
 */
#ifndef TALLYSTICK_BOARD_H
#define TALLYSTICK_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Flash. The geometry is one for all elements; firmware/platform/interface.ts says what it may be. */

#define BOARD_RANDOM_BLOCK_BYTES 32
#define BOARD_FLASH_WORD_BYTES_MAX 32

struct board_flash {
  uint32_t page_bytes;
  uint32_t page_count;
  uint32_t word_bytes;
};

extern const struct board_flash board_flash;

/* The platform has checked ranges, alignment and that every word is erased. Addresses count from the element's region. */
bool board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length);
bool board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length);
bool board_flash_erase(uint32_t element, uint32_t page);

/*
 * Registers: an element's counter and persistent keys, a few hundred bytes that change as one. After a save that power
 * interrupted, load gives what was before or what was to be, never a mixture; new ones are all zero.
 */
bool board_registers_load(uint32_t element, uint8_t *registers, uint32_t length);
bool board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length);

/*
 * Where random bytes come from. NONE: there are none, and each question is answered by false. SEEDED: from a text, so that a run can
 * be repeated; never for real money. FIT: from a source whose bytes are fit for keys.
 */
enum board_random_source { BOARD_RANDOM_NONE = 0, BOARD_RANDOM_SEEDED = 1, BOARD_RANDOM_FIT = 2 };

enum board_random_source board_random_source(void);

/* One block of random bytes. False: the source says of itself that it does not work. */
bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]);

/* Milliseconds by the chip's own tick, from any beginning; never goes back while there is power. */
uint64_t board_time_ms(void);

/* The byte stream to the reader. False: it has ended. */
bool board_receive(uint8_t *bytes, size_t length);
bool board_send(const uint8_t *bytes, size_t length);

/* Whether the applet of this number (the last byte of its AID) is on this chip. */
bool board_has_applet(uint32_t applet);

#endif
