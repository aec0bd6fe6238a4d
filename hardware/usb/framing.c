#include "usb/framing-names.h"

#include "framing.h"

#include <string.h>

#include "framing-code.h"
#include "framing-memory.h"
#include "hid-card.h"
#include "platform/bytes.h"

/* Named by framing-names.h. */
uint32_t wasm_rt_call_stack_depth;

static w2c_usb instance;
/* The card's thread asks for it while the framing runs, whose code counts its calls: so it is looked up before. */
static uint8_t *message;
static uint8_t memory[FRAMING_MEMORY_BYTES] __attribute__((aligned(8)));

/* Code that was proved against its TypeScript traps only on a chip that is broken. */
_Noreturn void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  hid_stop();
}

void wasm_rt_allocate_memory(
    wasm_rt_memory_t *allocated,
    uint64_t initial_pages,
    uint64_t max_pages,
    bool is_64_bit,
    uint32_t page_size) {
  (void)initial_pages;
  (void)max_pages;
  (void)is_64_bit;
  (void)page_size;
  bytes_wipe(memory, sizeof memory);
  *allocated = (wasm_rt_memory_t){.data = memory, .size = sizeof memory, .capacity = sizeof memory};
}

void wasm_rt_free_memory(wasm_rt_memory_t *allocated) {
  bytes_wipe(memory, sizeof memory);
  allocated->size = 0;
}

/* Places that the framing names lie within its memory; one that did not would be written over something else. */
static uint8_t *at(uint32_t address, uint32_t length) {
  if ((uint64_t)address + length > sizeof memory) hid_stop();
  return memory + address;
}

void framing_start(void) {
  wasm_rt_call_stack_depth = 0;
  wasm2c_usb_instantiate(&instance);
  w2c_usb_boot(&instance);
  message = at(w2c_usb_message(&instance), TALLYSTICK_USB_MESSAGE_BYTES_MAX);
}

bool framing_can_take(void) {
  return w2c_usb_canTake(&instance) != 0;
}

void framing_take(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms) {
  uint8_t *place = at(w2c_usb_reportIn(&instance), TALLYSTICK_USB_REPORT_BYTES);
  memcpy(place, report, TALLYSTICK_USB_REPORT_BYTES);
  w2c_usb_take(&instance, TALLYSTICK_USB_REPORT_BYTES, now_ms);
  /* It may be a part of a PIN. */
  bytes_wipe(place, TALLYSTICK_USB_REPORT_BYTES);
}

bool framing_next(uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms) {
  if (w2c_usb_next(&instance, now_ms) == 0) return false;
  memcpy(report, at(w2c_usb_reportOut(&instance), TALLYSTICK_USB_REPORT_BYTES), TALLYSTICK_USB_REPORT_BYTES);
  return true;
}

void framing_tick(uint32_t now_ms) {
  w2c_usb_tick(&instance, now_ms);
}

int32_t framing_ready_command(void) {
  return (int32_t)w2c_usb_readyCommand(&instance);
}

bool framing_is_anothers(void) {
  return w2c_usb_isAnothers(&instance) != 0;
}

uint32_t framing_begin(void) {
  return w2c_usb_begin(&instance);
}

uint8_t *framing_message(void) {
  return message;
}

void framing_answer(uint32_t length, uint32_t now_ms) {
  w2c_usb_answer(&instance, length, now_ms);
}
