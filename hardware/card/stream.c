#include "stream.h"

#include <string.h>

#include "boards/board.h"
#include "card.h"
#include "frames.h"

#ifndef BOARD_NAME
#error "BOARD_NAME: what this board is called, a string; the build says it (scripts/hardware/build.ts)"
#endif

#define CONTROL_POWER_OFF 0
#define CONTROL_POWER_ON 1
#define CONTROL_RESET 2
#define CONTROL_ATR 4
#define CONTROL_BOARD 5

static const char name[] = BOARD_NAME;

/* A control looks like a command until it ends. */
static uint8_t first;
static bool is_first_known;

static void take(uint8_t byte) {
  if (!is_first_known) first = byte;
  is_first_known = true;
  card_command_take(byte);
}

static void drop(void) {
  is_first_known = false;
  card_command_drop();
}

static bool send_board(uint8_t tag) {
  uint8_t source = (uint8_t)board_random_source();
  frame_begin(tag);
  frame_put(&source, 1);
  frame_put((const uint8_t *)name, sizeof name - 1);
  return frame_end();
}

static bool obey(uint8_t control, uint8_t tag) {
  switch (control) {
    case CONTROL_POWER_OFF:
      card_power_off();
      return true;
    case CONTROL_POWER_ON:
    case CONTROL_RESET:
      card_power_on();
      return true;
    case CONTROL_ATR: {
      struct card_response answer = card_answer_to_reset();
      return frame_send(tag, answer.bytes, answer.length);
    }
    case CONTROL_BOARD:
      return send_board(tag);
    default:
      return true;
  }
}

static bool answer(struct frame frame) {
  if (frame.length == 1) {
    uint8_t control = first;
    drop();
    return obey(control, frame.tag);
  }
  is_first_known = false;
  if (!card_is_on()) {
    card_command_drop();
    return frame_send(frame.tag, NULL, 0);
  }
  struct card_response response = card_command_end();
  return frame_send(frame.tag, response.bytes, response.length);
}

void stream_serve(void) {
  static const struct frame_taker taker = {take, drop};
  struct frame frame;
  card_power_on();
  while (frame_receive(&taker, &frame) && answer(frame)) continue;
  card_power_off();
}
