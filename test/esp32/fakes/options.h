/* What a test gives the program in the place of the chip's own. */
#ifndef TALLYSTICK_FAKE_OPTIONS_H
#define TALLYSTICK_FAKE_OPTIONS_H

/* Sanitizers and this machine's C library want more than the chip. */
#define FAKE_STACK_BYTES (1024 * 1024)

struct fake_options {
  /* File of the partition; one that is not there is made, erased. */
  const char *store;
  /* File of eight bytes, milliseconds with the lowest byte first, read at each question. */
  const char *clock;
  const char *seed;
  const char *applets;
  /* So long each programming of flash takes. */
  unsigned slow_ms;
  /* Which programming of the first element's registers fails, from 1 on; 0: none. */
  unsigned fail_at;
  /* Which programming of the first element's pages is said to be done, and leaves a byte as it was, from 1 on; 0: none. */
  unsigned stuck_at;
};

extern struct fake_options fake_options;

#endif
