/*
 * WAMR's functions over applets as C by wasm2c, so that what calls them runs here without WAMR: modules are told by their bytes, memory
 * ends with static data, imports go through the natives that were registered, and an exception set by one ends the call.
 */

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake-imports.h"
#include "platform/bytes.h"
#include "wamr/binaries.h"
#include "wasm/applets.h"
#include "wasm_export.h"

#include "money-module.h"
#include "purse.h"
#include "trusted-agent.h"

#include "fake-applets.h"

#define CELLS_MAX 16
#define EXCEPTION_BYTES 128

/* As its kind of instance, which wasm2c gives a name of its own. */
struct kind {
  size_t bytes;
  void (*instantiate)(void *instance, struct w2c_tallystick *binding);
  wasm_rt_memory_t *(*memory)(void *instance);
  uint32_t (*boot)(void *instance);
  uint32_t (*buffer)(void *instance);
  uint32_t (*buffer_size)(void *instance);
  uint32_t (*command)(void *instance, uint32_t length);
};

#define KIND(ID)                                                                                                       \
  static void ID##_instantiate(void *instance, struct w2c_tallystick *binding) {                                       \
    wasm2c_##ID##_instantiate(instance, binding);                                                                      \
  }                                                                                                                    \
  static wasm_rt_memory_t *ID##_memory(void *instance) {                                                               \
    return w2c_##ID##_memory(instance);                                                                                \
  }                                                                                                                    \
  static uint32_t ID##_boot(void *instance) {                                                                          \
    return w2c_##ID##_boot(instance);                                                                                  \
  }                                                                                                                    \
  static uint32_t ID##_buffer(void *instance) {                                                                        \
    return w2c_##ID##_buffer(instance);                                                                                \
  }                                                                                                                    \
  static uint32_t ID##_buffer_size(void *instance) {                                                                   \
    return w2c_##ID##_bufferSize(instance);                                                                            \
  }                                                                                                                    \
  static uint32_t ID##_command(void *instance, uint32_t length) {                                                      \
    return w2c_##ID##_command(instance, length);                                                                       \
  }
#define KIND_ENTRY(ID) \
  {sizeof(w2c_##ID), ID##_instantiate, ID##_memory, ID##_boot, ID##_buffer, ID##_buffer_size, ID##_command}

KIND(moneymodule)
KIND(trustedagent)
KIND(purse)

/* In the order of `applet_binaries`. */
static const struct kind kinds[] = {KIND_ENTRY(moneymodule), KIND_ENTRY(trustedagent), KIND_ENTRY(purse)};

struct WASMModuleCommon {
  const struct kind *kind;
  uint32_t memory_bytes;
};

struct WASMModuleInstanceCommon {
  const struct kind *kind;
  void *instance;
  struct w2c_tallystick binding;
  char exception[EXCEPTION_BYTES];
};

struct WASMExecEnv {
  wasm_module_inst_t instance;
  void *attachment;
};

/* Memory instances are wasm2c's. */
#define MEMORY(INSTANCE) ((wasm_rt_memory_t *)(void *)(INSTANCE))

uint32_t wasm_rt_call_stack_depth;
static RuntimeInitArgs runtime;
static NativeSymbol *natives;
static uint32_t natives_count;
/* Of the instance that is being made. */
static uint32_t memory_bytes_wanted;
static wasm_exec_env_t running;
static jmp_buf trapped;

static _Noreturn void fail(const char *what) {
  (void)fprintf(stderr, "fake WAMR: %s\n", what);
  exit(EXIT_FAILURE);
}

static void *take(size_t size) {
  void *(*allocate)(unsigned int) = (void *(*)(unsigned int))runtime.mem_alloc_option.allocator.malloc_func;
  void *block = allocate((unsigned int)size);
  if (block == NULL) fail("no memory");
  memset(block, 0, size);
  return block;
}

static void give_back(void *block) {
  void (*release)(void *) = (void (*)(void *))runtime.mem_alloc_option.allocator.free_func;
  release(block);
}

_Noreturn void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  longjmp(trapped, 1);
}

void wasm_rt_allocate_memory(
    wasm_rt_memory_t *memory,
    uint64_t initial_pages,
    uint64_t max_pages,
    bool is_64_bit,
    uint32_t page_size) {
  (void)initial_pages;
  (void)max_pages;
  (void)is_64_bit;
  (void)page_size;
  memory->data = calloc(1, memory_bytes_wanted);
  if (memory->data == NULL) fail("no linear memory");
  memory->size = memory_bytes_wanted;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
  free(memory->data);
}

bool wasm_runtime_full_init(RuntimeInitArgs *init_args) {
  if (init_args->mem_alloc_type != Alloc_With_Allocator) fail("another allocator");
  runtime = *init_args;
  return true;
}

void wasm_runtime_destroy(void) {}

bool wasm_runtime_register_natives_raw(const char *module_name, NativeSymbol *native_symbols, uint32_t n_native_symbols) {
  if (strcmp(module_name, "tallystick") != 0) return false;
  natives = native_symbols;
  natives_count = n_native_symbols;
  return true;
}

wasm_module_t wasm_runtime_load_ex(uint8_t *buf, uint32_t size, const LoadArgs *args, char *error_buf, uint32_t error_buf_size) {
  if (!args->wasm_binary_freeable) fail("a binary that is kept");
  (void)snprintf(error_buf, error_buf_size, "no applet");
  for (uint32_t i = 0; i < applets_count; i++) {
    const struct applet_binary *binary = &applet_binaries[i];
    if ((uint32_t)(binary->end - binary->start) != size || memcmp(binary->start, buf, size) != 0) continue;
    wasm_module_t module = take(sizeof *module);
    *module = (struct WASMModuleCommon){&kinds[i], fake_memory_bytes[i]};
    /* The loader writes into the buffer; and whoever calls may free it. */
    memset(buf, 0, size);
    return module;
  }
  return NULL;
}

bool wasm_runtime_is_underlying_binary_freeable(const wasm_module_t module) {
  (void)module;
  return true;
}

wasm_module_inst_t wasm_runtime_instantiate(
    const wasm_module_t module,
    uint32_t default_stack_size,
    uint32_t host_managed_heap_size,
    char *error_buf,
    uint32_t error_buf_size) {
  (void)error_buf;
  (void)error_buf_size;
  if (default_stack_size == 0 || host_managed_heap_size != 0) fail("a heap, or no stack");
  wasm_module_inst_t instance = take(sizeof *instance);
  instance->kind = module->kind;
  instance->instance = take(module->kind->bytes);
  instance->binding.memory = module->kind->memory(instance->instance);
  memory_bytes_wanted = module->memory_bytes;
  module->kind->instantiate(instance->instance, &instance->binding);
  return instance;
}

void wasm_runtime_deinstantiate(wasm_module_inst_t module_inst) {
  wasm_rt_memory_t *memory = module_inst->binding.memory;
  for (uint64_t i = 0; i < memory->size; i++) {
    if (memory->data[i] != 0) fail("linear memory was not wiped");
  }
  wasm_rt_free_memory(memory);
  give_back(module_inst->instance);
  give_back(module_inst);
}

wasm_exec_env_t wasm_runtime_create_exec_env(wasm_module_inst_t module_inst, uint32_t stack_size) {
  if (stack_size == 0) fail("no stack");
  wasm_exec_env_t environment = take(sizeof *environment);
  environment->instance = module_inst;
  return environment;
}

void wasm_runtime_destroy_exec_env(wasm_exec_env_t exec_env) {
  give_back(exec_env);
}

wasm_module_inst_t wasm_runtime_get_module_inst(wasm_exec_env_t exec_env) {
  return exec_env->instance;
}

void *wasm_runtime_get_function_attachment(wasm_exec_env_t exec_env) {
  return exec_env->attachment;
}

wasm_function_inst_t wasm_runtime_lookup_function(const wasm_module_inst_t module_inst, const char *name) {
  (void)module_inst;
  static char *const names[] = {"boot", "buffer", "bufferSize", "command"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i], name) == 0) return names[i];
  }
  return NULL;
}

static uint32_t run(const struct kind *kind, void *instance, const char *name, uint32_t argument) {
  if (strcmp(name, "boot") == 0) return kind->boot(instance);
  if (strcmp(name, "buffer") == 0) return kind->buffer(instance);
  if (strcmp(name, "bufferSize") == 0) return kind->buffer_size(instance);
  return kind->command(instance, argument);
}

bool wasm_runtime_call_wasm(wasm_exec_env_t exec_env, wasm_function_inst_t function, uint32_t argc, uint32_t argv[]) {
  wasm_module_inst_t instance = exec_env->instance;
  bool has_argument = strcmp(function, "command") == 0;
  if (argc != (has_argument ? 1U : 0U)) fail("another number of arguments");
  if (instance->exception[0] != '\0') fail("a call of an instance that has an exception");
  running = exec_env;
  wasm_rt_call_stack_depth = 0;
  if (setjmp(trapped) != 0) return false;
  argv[0] = run(instance->kind, instance->instance, function, argv[0]);
  return true;
}

void wasm_runtime_set_exception(wasm_module_inst_t module_inst, const char *exception) {
  (void)snprintf(module_inst->exception, sizeof module_inst->exception, "Exception: %s", exception);
}

wasm_memory_inst_t wasm_runtime_get_default_memory(const wasm_module_inst_t module_inst) {
  return (wasm_memory_inst_t)(void *)module_inst->binding.memory;
}

uint64_t wasm_memory_get_cur_page_count(const wasm_memory_inst_t memory_inst) {
  (void)memory_inst;
  return 1;
}

uint64_t wasm_memory_get_bytes_per_page(const wasm_memory_inst_t memory_inst) {
  return MEMORY(memory_inst)->size;
}

void *wasm_memory_get_base_address(const wasm_memory_inst_t memory_inst) {
  return MEMORY(memory_inst)->data;
}

/* An import of the applet, as WAMR's interpreter calls a raw native: the upper halves of cells mean nothing. */
uint32_t fake_import(const char *name, uint32_t count, const uint32_t *values) {
  uint64_t cells[CELLS_MAX];
  for (uint32_t i = 0; i < natives_count; i++) {
    if (strcmp(natives[i].symbol, name) != 0) continue;
    if (strlen(natives[i].signature) != count + strlen("()i") || count > CELLS_MAX) fail("another signature");
    for (uint32_t j = 0; j < CELLS_MAX; j++) cells[j] = 0xa5a5a5a5ULL << 32 | (j < count ? values[j] : 0);
    running->attachment = natives[i].attachment;
    ((void (*)(wasm_exec_env_t, uint64_t *))natives[i].func_ptr)(running, cells);
    if (running->instance->exception[0] != '\0') longjmp(trapped, 1);
    return (uint32_t)cells[0];
  }
  fail("an import that is not registered");
}
