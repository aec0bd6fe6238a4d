/* Of WAMR 2.4, core/iwasm/include/wasm_export.h and lib_export.h: what hardware/wamr uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WASMModuleCommon *wasm_module_t;
typedef struct WASMModuleInstanceCommon *wasm_module_inst_t;
typedef struct WASMExecEnv *wasm_exec_env_t;
typedef void *wasm_function_inst_t;
typedef struct WASMMemoryInstance *wasm_memory_inst_t;

typedef struct NativeSymbol {
  const char *symbol;
  void *func_ptr;
  const char *signature;
  void *attachment;
} NativeSymbol;

typedef enum { Alloc_With_Pool = 0, Alloc_With_Allocator, Alloc_With_System_Allocator } mem_alloc_type_t;

typedef union MemAllocOption {
  struct {
    void *heap_buf;
    uint32_t heap_size;
  } pool;
  struct {
    void *malloc_func;
    void *realloc_func;
    void *free_func;
    void *user_data;
  } allocator;
} MemAllocOption;

/* It has more members, which stay zero. */
typedef struct RuntimeInitArgs {
  mem_alloc_type_t mem_alloc_type;
  MemAllocOption mem_alloc_option;
} RuntimeInitArgs;

typedef struct LoadArgs {
  char *name;
  bool clone_wasm_binary;
  bool wasm_binary_freeable;
  bool no_resolve;
} LoadArgs;

bool wasm_runtime_full_init(RuntimeInitArgs *init_args);
void wasm_runtime_destroy(void);
bool wasm_runtime_register_natives_raw(const char *module_name, NativeSymbol *native_symbols, uint32_t n_native_symbols);
wasm_module_t wasm_runtime_load_ex(uint8_t *buf, uint32_t size, const LoadArgs *args, char *error_buf, uint32_t error_buf_size);
bool wasm_runtime_is_underlying_binary_freeable(const wasm_module_t module);
wasm_module_inst_t wasm_runtime_instantiate(
    const wasm_module_t module,
    uint32_t default_stack_size,
    uint32_t host_managed_heap_size,
    char *error_buf,
    uint32_t error_buf_size);
void wasm_runtime_deinstantiate(wasm_module_inst_t module_inst);
wasm_exec_env_t wasm_runtime_create_exec_env(wasm_module_inst_t module_inst, uint32_t stack_size);
void wasm_runtime_destroy_exec_env(wasm_exec_env_t exec_env);
wasm_module_inst_t wasm_runtime_get_module_inst(wasm_exec_env_t exec_env);
void *wasm_runtime_get_function_attachment(wasm_exec_env_t exec_env);
wasm_function_inst_t wasm_runtime_lookup_function(const wasm_module_inst_t module_inst, const char *name);
bool wasm_runtime_call_wasm(wasm_exec_env_t exec_env, wasm_function_inst_t function, uint32_t argc, uint32_t argv[]);
void wasm_runtime_set_exception(wasm_module_inst_t module_inst, const char *exception);
wasm_memory_inst_t wasm_runtime_get_default_memory(const wasm_module_inst_t module_inst);
uint64_t wasm_memory_get_cur_page_count(const wasm_memory_inst_t memory_inst);
uint64_t wasm_memory_get_bytes_per_page(const wasm_memory_inst_t memory_inst);
void *wasm_memory_get_base_address(const wasm_memory_inst_t memory_inst);
