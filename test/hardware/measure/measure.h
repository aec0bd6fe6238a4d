/*
 * Counts what an image does for each command, in instructions of its core, and what it asks of its board. It is linked to the
 * objects of the shipping image by the linker's --wrap (scripts/hardware/measure-image.ts), which has none of it.
 *
 * The answer to "what is your ATR" (control 4) of such an image is what was counted since it was last asked, as little-endian
 * words of 32 bits: the fields of `struct counts` in their order, and then of each function of the platform how often it was called and the
 * instructions that it took.
 */
#ifndef TALLYSTICK_MEASURE_H
#define TALLYSTICK_MEASURE_H

#include <stdint.h>

struct counts {
  /* From reset until the card had power for the first time. */
  uint32_t boot;
  uint32_t commands;
  /* From where a command had arrived to where its response was there, without what counting took. */
  uint32_t instructions;
  uint32_t flash_reads;
  uint32_t flash_bytes_read;
  uint32_t flash_programs;
  uint32_t flash_bytes_programmed;
  uint32_t flash_erases;
  uint32_t register_saves;
  uint32_t register_instructions;
};

struct calls {
  uint32_t count;
  uint32_t instructions;
};

/* By the number of the function in firmware/platform/interface.ts; written by the build. */
extern struct calls measured_calls[];
extern const uint32_t measured_calls_count;

/* Where one call began. */
struct span {
  uint32_t begin;
  uint32_t is_outermost;
};

/* Functions of the platform use others; only the outermost is counted. */
struct span span_begin(void);
void span_end(struct span span, struct calls *calls);

#endif
