/*
 * A NOR flash with the Common Flash Interface (JEDEC JESD68.01) and the extended command set of Intel and Sharp (0x0001): two chips
 * of 16 bits side by side, which take each command together. What they are is asked of them, not assumed.
 *
 * Addresses count from the flash's beginning. A chip that does not end what it began within the time that it names is lost: every
 * function answers false until cfi_start finds the chips again.
 */
#ifndef TALLYSTICK_CFI_H
#define TALLYSTICK_CFI_H

#include <stdbool.h>
#include <stdint.h>

/* What both chips take at once. */
#define CFI_WORD_BYTES 4

struct cfi_geometry {
  /* Of both chips together. */
  uint32_t sector_bytes;
  uint32_t sector_count;
  /* What is programmed at once, of both together; aligned to itself. */
  uint32_t buffer_bytes;
  /* The longest that the chips may take. */
  uint32_t program_us_max;
  uint32_t erase_us_max;
};

/* Asks the chips. False: there are none, or they differ, or know other commands, or have sectors of more than one size. */
bool cfi_start(struct cfi_geometry *geometry);

bool cfi_read(uint32_t address, uint8_t *destination, uint32_t length);

/* Whole words. A bit that is zero stays so until its sector is erased: to ask for another is refused. */
bool cfi_program(uint32_t address, const uint8_t *source, uint32_t length);

bool cfi_erase(uint32_t sector);

#endif
