/*
 * The runtime that code of wasm2c (wabt 1.0.39) expects, as small as the applets allow: one memory each, in static storage and of
 * fixed size, no tables, no floating point. Every access is checked against the memory's size; a trap ends the applet.
 */
#ifndef TALLYSTICK_WASM_RT_H
#define TALLYSTICK_WASM_RT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WABT_BIG_ENDIAN 0
#define WASM_RT_USE_SEGUE 0
#define WASM_RT_SANITY_CHECKS 0
#define WASM_RT_MEMCHECK_GUARD_PAGES 0
#define WASM_RT_STACK_DEPTH_COUNT 1
/* Calls within calls. The deepest that sessions of test/posix reach is 17. */
#define WASM_RT_MAX_CALL_STACK_DEPTH 64

#define wasm_rt_memcpy memcpy
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

typedef enum {
  WASM_RT_TRAP_NONE,
  WASM_RT_TRAP_OOB,
  WASM_RT_TRAP_INT_OVERFLOW,
  WASM_RT_TRAP_DIV_BY_ZERO,
  WASM_RT_TRAP_INVALID_CONVERSION,
  WASM_RT_TRAP_UNREACHABLE,
  WASM_RT_TRAP_CALL_INDIRECT,
  WASM_RT_TRAP_EXHAUSTION,
} wasm_rt_trap_t;

typedef enum { WASM_RT_I32, WASM_RT_I64, WASM_RT_F32, WASM_RT_F64, WASM_RT_FUNCREF, WASM_RT_EXTERNREF } wasm_rt_type_t;

typedef struct {
  uint8_t *data;
  uint64_t size;
  /* What the static storage behind `data` holds. */
  uint32_t capacity;
} wasm_rt_memory_t;

/* Named by generated code, used by none of it: the applets call no function through a table. */
typedef const char *wasm_rt_func_type_t;
typedef void (*wasm_rt_function_ptr_t)(void);
typedef struct wasm_rt_tailcallee_t {
  void (*fn)(void **instance, void *tail_call_stack, struct wasm_rt_tailcallee_t *next);
} wasm_rt_tailcallee_t;
typedef struct {
  wasm_rt_func_type_t func_type;
  wasm_rt_function_ptr_t func;
  wasm_rt_tailcallee_t func_tailcallee;
  void *module_instance;
} wasm_rt_funcref_t;
typedef void *wasm_rt_externref_t;
typedef struct {
  wasm_rt_funcref_t *data;
  uint32_t size;
} wasm_rt_funcref_table_t;
typedef struct {
  wasm_rt_externref_t *data;
  uint32_t size;
} wasm_rt_externref_table_t;
#define wasm_rt_funcref_null_value ((wasm_rt_funcref_t){NULL, NULL, {NULL}, NULL})
#define wasm_rt_externref_null_value ((wasm_rt_externref_t)NULL)

extern uint32_t wasm_rt_call_stack_depth;

_Noreturn void wasm_rt_trap(wasm_rt_trap_t trap);

static inline bool wasm_rt_is_initialized(void) {
  return true;
}

/* Takes the static storage that `data` and `capacity` name, all zero. Applets have a page that never grows. */
void wasm_rt_allocate_memory(
    wasm_rt_memory_t *memory,
    uint64_t initial_pages,
    uint64_t max_pages,
    bool is_64_bit,
    uint32_t page_size);

void wasm_rt_free_memory(wasm_rt_memory_t *memory);

#endif
