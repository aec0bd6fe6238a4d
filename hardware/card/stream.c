#include "stream.h"

#include "boards/board.h"
#include "card.h"
#include "platform/bytes.h"

#define LENGTH_BYTES 2
#define CONTROL_POWER_OFF 0
#define CONTROL_POWER_ON 1
#define CONTROL_RESET 2
#define CONTROL_ATR 4

static uint8_t message[CARD_COMMAND_BYTES_MAX];

static bool receive_message(uint32_t *length) {
  uint8_t head[LENGTH_BYTES];
  if (!board_receive(head, sizeof head)) return false;
  *length = (uint32_t)head[0] << 8 | head[1];
  uint32_t kept = *length < sizeof message ? *length : sizeof message;
  if (kept > 0 && !board_receive(message, kept)) return false;
  /* The rest of what no applet takes is read, so that the next message begins where it does. */
  for (uint32_t left = *length - kept; left > 0; left--) {
    uint8_t byte;
    if (!board_receive(&byte, 1)) return false;
  }
  return true;
}

static bool send_message(struct card_response response) {
  uint8_t head[LENGTH_BYTES] = {(uint8_t)(response.length >> 8), (uint8_t)response.length};
  if (!board_send(head, sizeof head)) return false;
  return response.length == 0 || board_send(response.bytes, response.length);
}

static bool obey(uint8_t control) {
  switch (control) {
    case CONTROL_POWER_OFF:
      card_power_off();
      return true;
    case CONTROL_POWER_ON:
    case CONTROL_RESET:
      card_power_on();
      return true;
    case CONTROL_ATR:
      return send_message(card_answer_to_reset());
    default:
      return true;
  }
}

static bool answer(uint32_t length) {
  if (length == 1) return obey(message[0]);
  if (!card_is_on()) return send_message((struct card_response){message, 0});
  bool is_sent = send_message(card_transmit(message, length));
  /* A command may hold a PIN. */
  bytes_wipe(message, length < sizeof message ? length : sizeof message);
  return is_sent;
}

void stream_serve(void) {
  uint32_t length;
  card_power_on();
  while (receive_message(&length) && answer(length)) continue;
  card_power_off();
}
