#include "wasm-rt.h"

#include "platform/bytes.h"
#include "platform/element.h"

uint32_t wasm_rt_call_stack_depth;

_Noreturn void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  element_stop();
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
  bytes_wipe(memory->data, memory->capacity);
  memory->size = memory->capacity;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
  bytes_wipe(memory->data, memory->capacity);
  memory->size = 0;
}
