/* A flash under test: what pages are told of it, and what it keeps without power. */
#ifndef TALLYSTICK_MEDIUM_H
#define TALLYSTICK_MEDIUM_H

#include <stdint.h>

#include "boards/common/pages.h"

struct medium {
  const char *name;
  const struct pages_flash *flash;
  uint32_t page_count;
  uint8_t *bytes;
  uint32_t length;
  /* What is not kept goes back to how power finds it. */
  void (*power_on)(void);
};

/*
 * Random work, at first without cuts, until slots are used up; then with power cut at every operation of each step, or at some
 * where a step has very many. Says how many cuts there were.
 */
void pages_cuts(const struct medium *medium, uint32_t steps_before, uint32_t steps, uint32_t tears_each);

/* Long random work without cuts: collecting is bounded, work ahead is ahead, wear is spread; says what it measured. */
void pages_wear(const struct medium *medium, uint32_t erasures);

/* Fresh, foreign and contradicting flash, and what the functions refuse. */
void pages_refusals(const struct medium *medium);

#endif
