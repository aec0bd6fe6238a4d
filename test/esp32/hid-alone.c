/*
 * The USB card (hardware/usb/hid-card.c) with a framing and a card of a few lines: a reset of the bus, and a report behind it, come while the
 * framing's thread is at work. Ends with 0 when the report is for the device after the reset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card/card.h"
#include "usb/framing.h"
#include "usb/hid-card.h"

#define DEMAND(IS_SO)                                                       \
  do {                                                                      \
    if (!(IS_SO)) {                                                         \
      fprintf(stderr, "hid alone: line %d: not " #IS_SO "\n", __LINE__); \
      exit(1);                                                              \
    }                                                                       \
  } while (0)

/* The framing's: how often it began, and in which of its lives the report came. */
static unsigned starts, taken_in;

void framing_start(void) {
  starts++;
}

bool framing_can_take(void) {
  return true;
}

void framing_take(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms) {
  (void)report;
  (void)now_ms;
  taken_in = starts;
  hid_card_end();
}

/* In the midst of a round: the USB stack has the host's reset, and what the host says after it. */
void framing_tick(uint32_t now_ms) {
  static bool is_done;
  static const uint8_t report[TALLYSTICK_USB_REPORT_BYTES];
  (void)now_ms;
  if (is_done) return;
  is_done = true;
  hid_card_reset();
  hid_card_take(report, sizeof report);
}

bool framing_next(uint8_t report[TALLYSTICK_USB_REPORT_BYTES], uint32_t now_ms) {
  (void)report;
  (void)now_ms;
  return false;
}

int32_t framing_ready_command(void) {
  return -1;
}

bool framing_is_anothers(void) {
  return false;
}

uint32_t framing_begin(void) {
  return 0;
}

uint8_t *framing_message(void) {
  static uint8_t message[TALLYSTICK_USB_MESSAGE_BYTES_MAX];
  return message;
}

void framing_answer(uint32_t length, uint32_t now_ms) {
  (void)length;
  (void)now_ms;
}

bool hid_can_send(void) {
  return false;
}

void hid_send(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES]) {
  (void)report;
}

uint32_t hid_now_ms(void) {
  return 0;
}

_Noreturn void hid_stop(void) {
  exit(1);
}

void card_power_on(void) {}
void card_power_off(void) {}
void card_command_take(uint8_t byte) {
  (void)byte;
}

struct card_response card_command_end(void) {
  return (struct card_response){NULL, 0};
}

void bytes_wipe(void *bytes, size_t length) {
  memset(bytes, 0, length);
}

int main(void) {
  DEMAND(hid_card_serve(1u << 20));
  DEMAND(starts == 2 && taken_in == 2);
  return 0;
}
