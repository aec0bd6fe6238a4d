/* What must hold, or the run ends. */
#ifndef TALLYSTICK_CHECK_H
#define TALLYSTICK_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(HOLDS)                                                            \
  do {                                                                          \
    if (!(HOLDS)) {                                                             \
      (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #HOLDS); \
      exit(EXIT_FAILURE);                                                       \
    }                                                                           \
  } while (0)

#endif
