/* What must hold, or the run ends; and numbers by which a run can be repeated. */
#ifndef TALLYSTICK_CHECK_H
#define TALLYSTICK_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(HOLDS)                                                               \
  do {                                                                             \
    if (!(HOLDS)) {                                                                \
      (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #HOLDS); \
      exit(EXIT_FAILURE);                                                          \
    }                                                                              \
  } while (0)

void random_seed(uint64_t seed);
/* Below `bound`. */
uint32_t random_below(uint32_t bound);

#endif
