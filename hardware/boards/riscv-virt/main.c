/* RISC-V, rv32imc, with the card on its serial line, as QEMU's machine `virt` runs it; `qemu/machine.h` says with what. */

#include <stdlib.h>

#include "boards/board.h"
#include "boards/common/pages.h"
#include "boards/qemu/machine.h"
#include "boards/qemu/semihosting.h"
#include "card/stream.h"
#include "serial.h"
#include "store.h"
#include "time.h"

#define US_PER_MS 1000

bool board_receive(uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    while (!serial_has_byte() && pages_prepare()) continue;
    bytes[i] = serial_receive();
  }
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) serial_send(bytes[i]);
  return true;
}

uint64_t board_time_ms(void) {
  return machine_has_clock() ? machine_clock_ms() : time_us() / US_PER_MS;
}

static _Noreturn void give_up(const char *why) {
  host_say(why);
  host_exit(EXIT_FAILURE);
}

int main(void) {
  serial_start();
  if (!machine_start()) give_up("a file of the command line cannot be opened\n");
  if (!store_start()) give_up("the flash is not there, not as it should be, or cannot be written\n");
  /* What is sent before this is lost. */
  host_say("ready\n");
  stream_serve();
  return 0;
}
