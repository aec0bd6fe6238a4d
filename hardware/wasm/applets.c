#include "applets.h"

#include <setjmp.h>

#include "applet-code.h"
#include "binding.h"
#include "boards/board.h"
#include "platform/element.h"

#define STATUS_WORD_BYTES 2

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
  element_current = applet_codes[index].element;
  if (setjmp(stopped) != 0) {
    /* Of the calls that it was in none goes on; where an applet's buffer is, is asked by calls that must not be too many. */
    wasm_rt_call_stack_depth = 0;
    return false;
  }
  *result = run(argument);
  return true;
}

bool applet_power_on(uint32_t index) {
  applet_power_off(index);
  if (!element_power_on(applet_codes[index].element, index)) return false;
  int32_t status = -1;
  uint32_t buffer_bytes;
  bool is_started = guarded(index, applet_codes[index].start, 0, &status) && status >= 0;
  is_on[index] = is_started && applet_buffer(index, &buffer_bytes) != NULL;
  if (!is_on[index]) applet_power_off(index);
  return is_on[index];
}

void applet_power_off(uint32_t index) {
  is_on[index] = false;
  applet_codes[index].wipe();
  element_power_off(applet_codes[index].element);
}

uint32_t applet_buffer_bytes(uint32_t index) {
  return applet_codes[index].buffer_bytes();
}

uint8_t *applet_buffer(uint32_t index, uint32_t *buffer_bytes) {
  const struct applet_code *code = &applet_codes[index];
  struct w2c_tallystick applet = {code->memory};
  *buffer_bytes = code->buffer_bytes();
  return binding_view(&applet, code->buffer(), *buffer_bytes);
}

const uint8_t *applet_command(uint32_t index, uint32_t command_length, uint32_t *response_length) {
  uint32_t buffer_bytes;
  const uint8_t *buffer = applet_buffer(index, &buffer_bytes);
  int32_t length = 0;
  bool is_answered =
      command_length <= buffer_bytes && guarded(index, applet_codes[index].command, command_length, &length);
  if (!is_answered || length < STATUS_WORD_BYTES || (uint32_t)length > buffer_bytes) {
    applet_power_off(index);
    return NULL;
  }
  *response_length = (uint32_t)length;
  return buffer;
}
