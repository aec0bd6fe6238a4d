#include "applets.h"

#include <setjmp.h>
#include <string.h>

#include "applet-code.h"
#include "binding.h"
#include "boards/board.h"
#include "platform/bytes.h"
#include "platform/element.h"

#define STATUS_WORD_BYTES 2

static struct element elements[ELEMENTS_MAX];
static bool is_on[ELEMENTS_MAX];
/* Where an applet that stops in mid-command goes on: in whoever called it. */
static jmp_buf stopped;

_Noreturn void element_stop(void) {
  longjmp(stopped, 1);
}

uint32_t applet_number(uint32_t index) {
  return applet_codes[index].number;
}

const char *applet_name(uint32_t index) {
  return applet_codes[index].name;
}

bool applet_is_on(uint32_t index) {
  return is_on[index];
}

/* Runs a function of the applet; false when it did not return. */
static bool guarded(uint32_t index, int32_t (*run)(uint32_t), uint32_t argument, int32_t *result) {
  element_current = &elements[index];
  wasm_rt_call_stack_depth = 0;
  if (setjmp(stopped) != 0) return false;
  *result = run(argument);
  return true;
}

bool applet_power_on(uint32_t index) {
  applet_power_off(index);
  if (!element_power_on(&elements[index], index)) return false;
  int32_t status = -1;
  is_on[index] = guarded(index, applet_codes[index].start, 0, &status) && status >= 0;
  if (!is_on[index]) applet_power_off(index);
  return is_on[index];
}

void applet_power_off(uint32_t index) {
  is_on[index] = false;
  applet_codes[index].wipe();
  element_power_off(&elements[index]);
}

uint32_t applet_buffer_bytes(uint32_t index) {
  return applet_codes[index].buffer_bytes();
}

const uint8_t *applet_command(
    uint32_t index,
    const uint8_t *command,
    uint32_t command_length,
    uint32_t *response_length) {
  const struct applet_code *code = &applet_codes[index];
  struct w2c_tallystick applet = {code->memory};
  uint32_t buffer_bytes = code->buffer_bytes();
  uint8_t *buffer = binding_view(&applet, code->buffer(), buffer_bytes);
  int32_t length = 0;
  bool is_answered = false;
  if (buffer != NULL && command_length <= buffer_bytes) {
    memcpy(buffer, command, command_length);
    is_answered = guarded(index, code->command, command_length, &length);
  }
  if (!is_answered || length < STATUS_WORD_BYTES || (uint32_t)length > buffer_bytes) {
    applet_power_off(index);
    return NULL;
  }
  *response_length = (uint32_t)length;
  return buffer;
}
