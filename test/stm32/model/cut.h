/*
 * Power cuts: the models of flash ask before each operation whether power goes within it, tear it if so, and jump out to
 * whoever armed the cut. Or the operation fails, torn the same, and power stays.
 */
#ifndef TALLYSTICK_CUT_H
#define TALLYSTICK_CUT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

/* How an operation is torn: see tear_program, tear_erase. */
#define TEARS 8

struct cut {
  bool is_armed;
  /* Operations that are still whole. */
  uint32_t left;
  uint32_t tear;
  bool is_failure;
  jmp_buf power;
  /* Of all, and of them erasures. */
  uint64_t operations;
  uint64_t erasures;
};

extern struct cut cut;

void cut_arm(uint32_t left, uint32_t tear);
void cut_arm_failure(uint32_t left, uint32_t tear);
void cut_disarm(void);

/* Counts an operation; true: it is to be torn, and then to end as cut_end does. */
bool cut_comes(bool is_erasure);

/* Does not return where power goes; false, for an operation that failed. */
bool cut_end(void);

/* Clears some of the bits that `from` would: none, all, those of the first words, a random part. */
void tear_program(uint8_t *at, const uint8_t *from, uint32_t length, uint32_t word_bytes);

/* Leaves anything of a sector: nothing or all erased, a part, the first record as it was, noise. */
void tear_erase(uint8_t *sector, uint32_t length);

#endif
