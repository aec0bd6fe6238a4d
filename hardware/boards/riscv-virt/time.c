#include "time.h"

#include "registers.h"

#define US_PER_SECOND 1000000u

uint64_t time_us(void) {
  uint32_t high, low;
  /* The lower word may run over between the two. */
  do {
    high = MTIME_HIGH;
    low = MTIME_LOW;
  } while (high != MTIME_HIGH);
  return ((uint64_t)high << 32 | low) / (MTIME_HZ / US_PER_SECOND);
}
