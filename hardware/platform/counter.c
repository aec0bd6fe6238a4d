/* The monotonic counter and the clock of an element. */

#include "boards/board.h"
#include "bytes.h"
#include "element.h"

/* Results are i32, so both end here. */
#define RESULT_MAX 0x7fffffffu
#define MS_PER_SECOND 1000

int32_t tallystick_clock_seconds(void) {
  uint64_t now_ms = board_time_ms();
  uint64_t on_at_ms = element_current->powered_on_at_ms;
  uint64_t seconds = now_ms > on_at_ms ? (now_ms - on_at_ms) / MS_PER_SECOND : 0;
  return (int32_t)(seconds < RESULT_MAX ? seconds : RESULT_MAX);
}

int32_t tallystick_counter_read(void) {
  return (int32_t)bytes_read32(element_current->registers);
}

int32_t tallystick_counter_increment(void) {
  uint32_t value = bytes_read32(element_current->registers);
  if (value >= RESULT_MAX) return TALLYSTICK_COUNTER_EXHAUSTED;
  bytes_write32(element_current->registers, value + 1);
  element_save_registers();
  return (int32_t)(value + 1);
}
