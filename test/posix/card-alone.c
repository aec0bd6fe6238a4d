/*
 * The card and what runs applets (hardware/card, hardware/wasm), with two applets of a few lines that do what ours never do: they run out
 * of calls, and remember what they were told. Ends with 0 when all is as it must be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boards/board.h"
#include "card/card.h"
#include "wasm/applet-code.h"
#include "wasm/applets.h"

#define MEMORY_BYTES 256
#define BUFFER_AT 16
#define BUFFER_BYTES 64
#define INS_RECURSE 0x10
#define INS_ANSWER 0x12
#define ANSWER_BYTES 4
#define OTHERS 0xee
/* Of less than these the applet's buffer has nothing before a command is whole (card/card.c). */
#define BEGINNING_BYTES 14

#define DEMAND(IS_SO)                                                        \
  do {                                                                       \
    if (!(IS_SO)) {                                                          \
      fprintf(stderr, "card alone: line %d: not " #IS_SO "\n", __LINE__); \
      exit(1);                                                               \
    }                                                                        \
  } while (0)

struct element *element_current;

static uint8_t bytes[2][MEMORY_BYTES];
static wasm_rt_memory_t memories[2] = {{bytes[0], MEMORY_BYTES, MEMORY_BYTES}, {bytes[1], MEMORY_BYTES, MEMORY_BYTES}};
static struct element elements[2];

bool element_power_on(struct element *element, uint32_t number) {
  element->number = number;
  return true;
}

void element_power_off(struct element *element) {
  (void)element;
}

bool board_has_applet(uint32_t applet) {
  (void)applet;
  return true;
}

void bytes_wipe(void *wiped, size_t length) {
  memset(wiped, 0, length);
}

/* As generated code has it at the beginning and the end of each function. */
static void enter(void) {
  if (++wasm_rt_call_stack_depth > WASM_RT_MAX_CALL_STACK_DEPTH) wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
}

static void leave(void) {
  wasm_rt_call_stack_depth--;
}

static uint32_t buffer(void) {
  enter();
  leave();
  return BUFFER_AT;
}

static uint32_t buffer_bytes(void) {
  enter();
  leave();
  return BUFFER_BYTES;
}

static int32_t start_first(uint32_t unused) {
  (void)unused;
  memset(bytes[0], 0, MEMORY_BYTES);
  return 0;
}

static int32_t start_second(uint32_t unused) {
  (void)unused;
  memset(bytes[1], 0, MEMORY_BYTES);
  return 0;
}

static int32_t answer_in(uint8_t *io) {
  enter();
  int32_t length = 2;
  if (io[1] == INS_RECURSE) (void)answer_in(io);
  if (io[1] == INS_ANSWER) {
    memset(io, 0xaa, ANSWER_BYTES);
    length += ANSWER_BYTES;
  }
  io[length - 2] = 0x90;
  io[length - 1] = 0x00;
  leave();
  return length;
}

static int32_t command_of_first(uint32_t length) {
  (void)length;
  return answer_in(bytes[0] + BUFFER_AT);
}

static int32_t command_of_second(uint32_t length) {
  (void)length;
  return answer_in(bytes[1] + BUFFER_AT);
}

/* The memory of an applet that is off may be somebody else's: nothing is written there. */
static void wipe_first(void) {
  memset(bytes[0], OTHERS, MEMORY_BYTES);
}

static void wipe_second(void) {
  memset(bytes[1], OTHERS, MEMORY_BYTES);
}

const struct applet_code applet_codes[] = {
    {"first", 1, &elements[0], &memories[0], buffer, buffer_bytes, start_first, command_of_first, wipe_first},
    {"second", 2, &elements[1], &memories[1], buffer, buffer_bytes, start_second, command_of_second, wipe_second},
};
const uint32_t applets_count = 2;

static void take(const uint8_t *command, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) card_command_take(command[i]);
}

/* Its status word. */
static uint32_t send(const uint8_t *command, uint32_t length) {
  take(command, length);
  struct card_response response = card_command_end();
  DEMAND(response.length >= 2);
  return (uint32_t)response.bytes[response.length - 2] << 8 | response.bytes[response.length - 1];
}

static uint32_t select(uint8_t channel, uint8_t applet) {
  const uint8_t command[] = {channel, 0xa4, 4, 0, 7, 0xf0, 'T', 'A', 'L', 'L', 'Y', applet};
  return send(command, sizeof command);
}

static bool is_clean(uint32_t applet, uint32_t from) {
  for (uint32_t i = from; i < BUFFER_BYTES; i++) {
    if (bytes[applet][BUFFER_AT + i] != 0) return false;
  }
  return true;
}

static bool is_let_alone(uint32_t applet) {
  for (uint32_t i = 0; i < MEMORY_BYTES; i++) {
    if (bytes[applet][i] != OTHERS) return false;
  }
  return true;
}

/* The first applet runs out of calls: it is off, the second goes on, whatever comes. */
static void check_exhaustion(void) {
  const uint8_t open[] = {0, 0x70, 0, 1};
  const uint8_t recurse[] = {0, INS_RECURSE, 0, 0};
  const uint8_t on_second[] = {1, INS_ANSWER, 0, 0};
  card_power_on();
  DEMAND(select(0, 1) == 0x9000);
  DEMAND(send(open, sizeof open) == 0x9000);
  DEMAND(select(1, 2) == 0x9000);
  DEMAND(send(recurse, sizeof recurse) == 0x6f00);
  DEMAND(is_let_alone(0));
  DEMAND(send(on_second, sizeof on_second) == 0x9000);
  DEMAND(send(recurse, sizeof recurse) == 0x6f00);
  DEMAND(select(0, 1) == 0x6f00);
  DEMAND(is_let_alone(0));
  DEMAND(send(on_second, sizeof on_second) == 0x9000);
  card_power_on();
  DEMAND(select(0, 1) == 0x9000);
}

/* What was sent, a PIN perhaps, does not stay in the buffer behind the response, nor where it was no command. */
static void check_remains(void) {
  uint8_t pin[BUFFER_BYTES + 9];
  memset(pin, 0x37, sizeof pin);
  pin[0] = 0;
  card_power_on();
  DEMAND(select(0, 2) == 0x9000);
  DEMAND(is_clean(1, 2));
  for (uint32_t length = 4; length <= sizeof pin; length++) {
    pin[1] = 0x20;
    DEMAND(send(pin, length) == (length > BUFFER_BYTES ? 0x6700u : 0x9000u));
    DEMAND(is_clean(1, length > BUFFER_BYTES ? 0 : 2));
    pin[1] = INS_ANSWER;
    (void)send(pin, length);
    DEMAND(is_clean(1, length > BUFFER_BYTES ? 0 : ANSWER_BYTES + 2));
    take(pin, length);
    card_command_drop();
    DEMAND(is_clean(1, length < BEGINNING_BYTES ? ANSWER_BYTES + 2 : 0));
  }
}

int main(void) {
  check_exhaustion();
  check_remains();
  return 0;
}
