/*
 * How drivers reach the chip's registers and flash: on the chip by its addresses; elsewhere by functions of a model (test/stm32), so
 * that the same drivers run there.
 */
#ifndef TALLYSTICK_BUS_H
#define TALLYSTICK_BUS_H

#include <stdint.h>

#if defined(__arm__)

#include <string.h>

static inline uint32_t register_read(uint32_t address) {
  return *(const volatile uint32_t *)address;
}

static inline void register_write(uint32_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}

static inline void memory_read(uint32_t address, uint8_t *to, uint32_t length) {
  memcpy(to, (const void *)address, length);
}

/* Of memory that the DMA controller writes. */
static inline uint32_t bus_address(volatile void *memory) {
  return (uint32_t)memory;
}

/* Until the next interrupt. */
static inline void bus_sleep(void) {
  __asm__ volatile("wfi" ::: "memory");
}

/* Returns when all that was written before has arrived. */
static inline void bus_settle(void) {
  __asm__ volatile("dsb" ::: "memory");
}

#else

uint32_t register_read(uint32_t address);
void register_write(uint32_t address, uint32_t value);
void memory_read(uint32_t address, uint8_t *to, uint32_t length);
uint32_t bus_address(volatile void *memory);
void bus_sleep(void);
static inline void bus_settle(void) {}

#endif

static inline void register_set(uint32_t address, uint32_t bits) {
  register_write(address, register_read(address) | bits);
}

static inline void register_clear(uint32_t address, uint32_t bits) {
  register_write(address, register_read(address) & ~bits);
}

/*
 * Turns clocks of peripherals on, and returns when they are there: what is written to a peripheral before is lost (ES0182, delay after
 * an RCC peripheral clock enabling), and to look at the register takes as long.
 */
static inline void bus_clock_on(uint32_t address, uint32_t bits) {
  register_set(address, bits);
  (void)register_read(address);
}

#endif
