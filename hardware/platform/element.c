#include "element.h"

#include "boards/board.h"
#include "bytes.h"

struct element *element_current;

bool element_power_on(struct element *element, uint32_t number) {
  element_power_off(element);
  element->number = number;
  element->powered_on_at_ms = board_time_ms();
  if (!board_registers_load(number, element->registers, REGISTER_BYTES_PERSISTENT)) {
    element_power_off(element);
    return false;
  }
  return true;
}

void element_power_off(struct element *element) {
  bytes_wipe(element, sizeof *element);
}

void element_save_registers(void) {
  const struct element *element = element_current;
  if (!board_registers_save(element->number, element->registers, REGISTER_BYTES_PERSISTENT)) element_stop();
}
