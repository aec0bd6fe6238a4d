/* An STM32F405 with the card on its first serial line, as QEMU's machine netduinoplus2 runs it; `qemu/machine.h` says with what. */

#include <stdlib.h>

#include "boards/board.h"
#include "boards/qemu/machine.h"
#include "boards/qemu/semihosting.h"
#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/registers.h"
#include "boards/stm32f405/serial.h"
#include "card/stream.h"
#include "store.h"

#define MS_PER_SECOND 1000

static volatile uint64_t ticks_ms;

void tick(void);

void tick(void) {
  ticks_ms++;
}

bool board_receive(uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) bytes[i] = serial_receive();
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) serial_send(bytes[i]);
  return true;
}

/* Two words, between which a tick may come. */
static uint64_t ticks(void) {
  uint64_t first;
  do first = ticks_ms;
  while (first != ticks_ms);
  return first;
}

uint64_t board_time_ms(void) {
  return machine_has_clock() ? machine_clock_ms() : ticks();
}

int main(void) {
  serial_start();
  if (!machine_start() || machine_store() == NULL || !store_open(machine_store())) host_exit(EXIT_FAILURE);
  if (!machine_has_clock()) {
    register_write(SYSTICK_RELOAD, CORE_HZ / MS_PER_SECOND - 1);
    register_write(SYSTICK_VALUE, 0);
    register_write(SYSTICK_CONTROL, SYSTICK_ENABLE);
  }
  /* What is sent before this is lost. */
  host_say("ready\n");
  stream_serve();
  return 0;
}
