/*
 * In the place of applets and card: one element whose platform a test calls over the board's byte stream. Messages come
 * in frames (card/frames.h); numbers in them are little endian.
 *
 *   'p'                                   power goes and comes; answered by one byte, 1 when the element may run
 *   'w' address (4), bytes                writes linear memory; not answered
 *   'r' address (4), length (4)           answered by the bytes
 *   'h'                                   answered by the SHA-256 of all of it
 *   'c' function (4), ten arguments (4)   answered by 1 and the result (4), or by 0 when the element was stopped
 */

#include <setjmp.h>
#include <string.h>

#include "boards/board.h"
#include "calls.h"
#include "card/frames.h"
#include "card/stream.h"
#include "platform/bytes.h"
#include "platform/element.h"
#include "wasm/applets.h"

#define MEMORY_BYTES 16384
#define NUMBER_BYTES 4
#define MESSAGE_BYTES_MAX (MEMORY_BYTES + 8)
#define CALL_BYTES (1 + NUMBER_BYTES * (1 + CALL_ARGUMENTS_MAX))

const uint32_t applets_count = 1;

static struct element element;
static jmp_buf stopped;
static uint8_t message[MESSAGE_BYTES_MAX];
static uint32_t taken;
/* Of the message that is being answered. */
static uint8_t tag;
static uint8_t bytes[MEMORY_BYTES];
static wasm_rt_memory_t memory = {bytes, MEMORY_BYTES, MEMORY_BYTES};
static struct w2c_tallystick applet = {&memory};

uint32_t wasm_rt_call_stack_depth;

uint32_t applet_number(uint32_t index) {
  return index + 1;
}

const char *applet_name(uint32_t index) {
  (void)index;
  return "platform";
}

_Noreturn void element_stop(void) {
  longjmp(stopped, 1);
}

static bool send_message(const uint8_t *answer, uint32_t length) {
  return frame_send(tag, answer, length);
}

static bool power(void) {
  uint8_t is_on = element_power_on(&element, 0);
  element_current = &element;
  return send_message(&is_on, 1);
}

static bool send_hash(void) {
  uint8_t hash[TALLYSTICK_HASH_BYTES];
  return tallystick_sha256(bytes, sizeof bytes, hash, sizeof hash) == 0 && send_message(hash, sizeof hash);
}

static bool answer_call(void) {
  uint32_t arguments[CALL_ARGUMENTS_MAX];
  uint8_t answer[1 + NUMBER_BYTES] = {0};
  for (uint32_t i = 0; i < CALL_ARGUMENTS_MAX; i++) {
    arguments[i] = bytes_read32(message + 1 + NUMBER_BYTES * (i + 1));
  }
  if (setjmp(stopped) != 0) return send_message(answer, 1);
  bytes_write32(answer + 1, call(&applet, bytes_read32(message + 1), arguments));
  answer[0] = 1;
  return send_message(answer, sizeof answer);
}

static bool answer_message(uint32_t length) {
  uint32_t address = length > NUMBER_BYTES ? bytes_read32(message + 1) : 0;
  uint32_t rest = length > NUMBER_BYTES ? length - 1 - NUMBER_BYTES : 0;
  switch (message[0]) {
    case 'p':
      return power();
    case 'w':
      if (address > MEMORY_BYTES || rest > MEMORY_BYTES - address) return false;
      memcpy(bytes + address, message + 1 + NUMBER_BYTES, rest);
      return true;
    case 'r': {
      uint32_t wanted = bytes_read32(message + 1 + NUMBER_BYTES);
      if (address > MEMORY_BYTES || wanted > MEMORY_BYTES - address) return false;
      return send_message(bytes + address, wanted);
    }
    case 'h':
      return send_hash();
    case 'c':
      return length == CALL_BYTES && answer_call();
    default:
      return false;
  }
}

static void take(uint8_t byte) {
  if (taken < sizeof message) message[taken] = byte;
  taken++;
}

static void drop(void) {
  taken = 0;
}

void stream_serve(void) {
  static const struct frame_taker taker = {take, drop};
  struct frame frame;
  while (frame_receive(&taker, &frame)) {
    tag = frame.tag;
    if (frame.length == 0 || frame.length > sizeof message || !answer_message(frame.length)) return;
    drop();
  }
}
