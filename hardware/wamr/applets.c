/*
 * Applets under WAMR: `wasm/applets.h`, as `wasm/applets.c` has it for code of wasm2c.
 *
 * Each applet is an instance of its own, with linear memory that WAMR shrinks to its static data where it can, no heap, and an operand
 * stack of fixed size; an applet that calls deeper traps. All functions here are called on one thread, which where
 * WAMR runs on FreeRTOS is one of pthread's.
 *
 * `element_stop` comes from within an import, far from WAMR's own frames. It goes back to the import by longjmp, past the platform's
 * frames alone, and the import leaves as WAMR wants it: with an exception set, upon which the interpreter unwinds its own stack and
 * the call of the applet fails. A longjmp past the interpreter would leave its bookkeeping of the thread behind.
 */

#include "wasm/applets.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "binaries.h"
#include "boards/board.h"
#include "heap.h"
#include "imports.h"
#include "platform/bytes.h"
#include "platform/element.h"

#define STATUS_WORD_BYTES 2
/* Of operands, locals and frames. Sessions of test/esp32 need between 2 and 3 KiB of it, with pointers of 8 bytes. */
#define STACK_BYTES 8192
#define HEAP_BYTES 0
#define ERROR_BYTES 96

struct runner {
  struct element element;
  /* The code, once it was loaded; it is no secret, and stays. */
  wasm_module_t module;
  wasm_module_inst_t instance;
  wasm_exec_env_t environment;
  /* Of the instance: its memory as the imports see it. */
  wasm_rt_memory_t memory;
  uint32_t buffer;
  uint32_t buffer_bytes;
  bool is_on;
};

static struct runner runners[ELEMENTS_MAX];
static bool is_started;
/* Whose imports are called. */
static struct w2c_tallystick current;
/* Where an import that stops goes on. */
static jmp_buf stopped;
static bool is_in_import;

_Noreturn void element_stop(void) {
  /* Nowhere else does anything of the platform run that can stop. */
  if (!is_in_import) abort();
  longjmp(stopped, 1);
}

void wamr_import(wasm_exec_env_t environment, uint64_t *cells) {
  const struct wamr_import *import = wasm_runtime_get_function_attachment(environment);
  if (setjmp(stopped) == 0) {
    is_in_import = true;
    cells[0] = import->call(&current, cells);
  } else {
    wasm_runtime_set_exception(wasm_runtime_get_module_inst(environment), "the element stopped");
  }
  is_in_import = false;
}

uint32_t applet_number(uint32_t index) {
  return applet_binaries[index].number;
}

const char *applet_name(uint32_t index) {
  return applet_binaries[index].name;
}

bool applet_is_on(uint32_t index) {
  return runners[index].is_on;
}

static bool start_runtime(void) {
  if (is_started) return true;
  RuntimeInitArgs options;
  memset(&options, 0, sizeof options);
  options.mem_alloc_type = Alloc_With_Allocator;
  options.mem_alloc_option.allocator.malloc_func = (void *)heap_take;
  options.mem_alloc_option.allocator.realloc_func = (void *)heap_resize;
  options.mem_alloc_option.allocator.free_func = (void *)heap_give_back;
  if (!wasm_runtime_full_init(&options)) return false;
  is_started = wasm_runtime_register_natives_raw(TALLYSTICK_MODULE, wamr_symbols, wamr_symbols_count);
  if (!is_started) wasm_runtime_destroy();
  return is_started;
}

/* Loads the code from a copy that WAMR may write into; a copy that it reads later on stays with the module. */
static bool load(struct runner *runner, const struct applet_binary *binary) {
  if (runner->module != NULL) return true;
  char error[ERROR_BYTES];
  uint32_t length = (uint32_t)(binary->end - binary->start);
  uint8_t *copy = malloc(length);
  if (copy == NULL) return false;
  memcpy(copy, binary->start, length);
  LoadArgs options;
  memset(&options, 0, sizeof options);
  options.name = "";
  options.wasm_binary_freeable = true;
  runner->module = wasm_runtime_load_ex(copy, length, &options, error, sizeof error);
  if (runner->module == NULL || wasm_runtime_is_underlying_binary_freeable(runner->module)) free(copy);
  return runner->module != NULL;
}

/* Runs a function of the applet; false when it trapped. */
static bool call(
    struct runner *runner,
    const char *name,
    uint32_t argument_count,
    uint32_t argument,
    uint32_t *result) {
  wasm_function_inst_t function = wasm_runtime_lookup_function(runner->instance, name);
  if (function == NULL) return false;
  /* One cell for the argument, if there is one, and then for the result. */
  uint32_t cells[1] = {argument};
  element_current = &runner->element;
  current.memory = &runner->memory;
  if (!wasm_runtime_call_wasm(runner->environment, function, argument_count, cells)) return false;
  *result = cells[0];
  return true;
}

/* Where linear memory lies, and that the applet's buffer lies in it. */
static bool find_memory(struct runner *runner) {
  wasm_memory_inst_t memory = wasm_runtime_get_default_memory(runner->instance);
  if (memory == NULL) return false;
  uint64_t bytes = wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory);
  uint8_t *data = wasm_memory_get_base_address(memory);
  if (data == NULL || bytes > UINT32_MAX) return false;
  runner->memory = (wasm_rt_memory_t){.data = data, .size = bytes, .capacity = (uint32_t)bytes};
  return true;
}

static bool find_buffer(struct runner *runner) {
  bool is_known = call(runner, "buffer", 0, 0, &runner->buffer) &&
                  call(runner, "bufferSize", 0, 0, &runner->buffer_bytes);
  return is_known && runner->buffer_bytes >= STATUS_WORD_BYTES &&
         binding_view(&current, runner->buffer, runner->buffer_bytes) != NULL;
}

static bool start(struct runner *runner, const struct applet_binary *binary) {
  char error[ERROR_BYTES];
  if (!start_runtime() || !load(runner, binary)) return false;
  runner->instance = wasm_runtime_instantiate(runner->module, STACK_BYTES, HEAP_BYTES, error, sizeof error);
  if (runner->instance == NULL) return false;
  runner->environment = wasm_runtime_create_exec_env(runner->instance, STACK_BYTES);
  if (runner->environment == NULL || !find_memory(runner)) return false;
  uint32_t status;
  return call(runner, "boot", 0, 0, &status) && (int32_t)status >= 0 && find_buffer(runner);
}

bool applet_power_on(uint32_t index) {
  struct runner *runner = &runners[index];
  applet_power_off(index);
  if (!element_power_on(&runner->element, index)) return false;
  runner->is_on = start(runner, &applet_binaries[index]);
  if (!runner->is_on) applet_power_off(index);
  return runner->is_on;
}

void applet_power_off(uint32_t index) {
  struct runner *runner = &runners[index];
  runner->is_on = false;
  if (runner->memory.data != NULL) bytes_wipe(runner->memory.data, (size_t)runner->memory.size);
  runner->memory = (wasm_rt_memory_t){.data = NULL};
  if (runner->environment != NULL) wasm_runtime_destroy_exec_env(runner->environment);
  if (runner->instance != NULL) wasm_runtime_deinstantiate(runner->instance);
  runner->environment = NULL;
  runner->instance = NULL;
  element_power_off(&runner->element);
}

uint32_t applet_buffer_bytes(uint32_t index) {
  return runners[index].buffer_bytes;
}

uint8_t *applet_buffer(uint32_t index, uint32_t *buffer_bytes) {
  const struct runner *runner = &runners[index];
  *buffer_bytes = runner->buffer_bytes;
  return runner->memory.data + runner->buffer;
}

const uint8_t *applet_command(uint32_t index, uint32_t command_length, uint32_t *response_length) {
  struct runner *runner = &runners[index];
  uint32_t length = 0;
  bool is_answered = command_length <= runner->buffer_bytes && call(runner, "command", 1, command_length, &length);
  if (!is_answered || (int32_t)length < STATUS_WORD_BYTES || length > runner->buffer_bytes) {
    applet_power_off(index);
    return NULL;
  }
  *response_length = length;
  return runner->memory.data + runner->buffer;
}
