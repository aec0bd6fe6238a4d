/*
 * Two NOR chips of 16 bits side by side, with the Common Flash Interface and Intel's commands, as the driver's bus and clock see
 * them. Each is a chip of its own, that takes its time, and fails where it is told to. What no chip would bear ends the run.
 */
#ifndef TALLYSTICK_CHIPS_H
#define TALLYSTICK_CHIPS_H

#include <stdbool.h>
#include <stdint.h>

#define CHIPS 2
#define CHIP_SECTOR_BYTES 1024u
#define CHIP_SECTORS 4u
#define CHIP_BYTES (CHIP_SECTOR_BYTES * CHIP_SECTORS)
#define CHIP_BUFFER_POWER 5u
#define QUERY_BYTES 0x40

/* As long as the query says that they may take, in microseconds. */
#define PROGRAM_US_MAX 2048u
#define ERASE_US_MAX 8000u

struct chip {
  uint8_t bytes[CHIP_BYTES];
  uint8_t query[QUERY_BYTES];
  /* How long the next operations take; what of the status is set at their end, and whether anything is done then. */
  uint32_t program_us, erase_us;
  uint8_t failure;
  /* The buffer is not to be had for so long. */
  uint32_t buffer_us;
  /* Operations that were carried out. */
  uint32_t operations;
};

extern struct chip chips[CHIPS];

/* New ones: erased, ready, without failures. */
void chips_start(void);

/* Whether they are at work on nothing; and whether they read as memory does besides. */
bool chips_are_ready(void);
bool chips_rest(void);

/* Byte of the flash that both make together. */
uint8_t *chips_byte(uint32_t address);

#endif
