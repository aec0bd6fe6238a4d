#include "cfi-bus.h"

#include <string.h>

#include "registers.h"

uint32_t cfi_bus_read(uint32_t address) {
  return REGISTER(FLASH_BASE + address);
}

void cfi_bus_write(uint32_t address, uint32_t word) {
  REGISTER(FLASH_BASE + address) = word;
}

void cfi_bus_copy(uint32_t address, uint8_t *destination, uint32_t length) {
  memcpy(destination, (const void *)(uintptr_t)(FLASH_BASE + address), length);
  /* Commands change what is there: the compiler reads it again. */
  __asm__ volatile("" ::: "memory");
}
