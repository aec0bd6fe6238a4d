/* Drivers that are wrong on purpose: each mistake must be noticed by the model, or its silence proves nothing. */

#include <string.h>

#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/clock.h"
#include "boards/stm32f405/flash.h"
#include "boards/stm32f405/registers.h"
#include "check.h"
#include "chip-model.h"
#include "drivers.h"

#define PROGRAMS (FLASH_CR_PSIZE_32 | FLASH_CR_PG)
#define ERASES (FLASH_CR_PSIZE_32 | FLASH_CR_SER | CHIP_FLASH_SECTOR_FIRST << FLASH_CR_SNB_AT)

static void begin(void) {
  (void)chip_medium(0);
  model_reset();
  CHECK(clock_start() && model_misuses == 0);
}

static void wait(void) {
  while ((register_read(FLASH_SR) & FLASH_SR_BSY) != 0) continue;
}

static void unlock(void) {
  register_write(FLASH_KEYR, FLASH_KEY1);
  register_write(FLASH_KEYR, FLASH_KEY2);
}

static void program(uint32_t address, uint32_t word) {
  register_write(FLASH_CR, PROGRAMS);
  register_write(address, word);
}

static void check(uint32_t misuse) {
  CHECK(model_misuses == misuse);
}

static void check_keys(void) {
  begin();
  register_write(FLASH_KEYR, FLASH_KEY2);
  check(MISUSE_KEYS);
  /* Locked until the next reset, whatever comes. */
  unlock();
  CHECK((register_read(FLASH_CR) & FLASH_CR_LOCK) != 0);
  begin();
  register_write(FLASH_CR, PROGRAMS);
  check(MISUSE_LOCKED);
  register_write(CHIP_FLASH_AT, 0);
  CHECK((register_read(FLASH_SR) & FLASH_SR_PGSERR) != 0 && model_store()[0] == 0xff);
}

static void check_programs(void) {
  begin();
  unlock();
  program(CHIP_FLASH_AT, 0x01020304);
  register_write(CHIP_FLASH_AT + 4, 0x05060708);
  check(MISUSE_BUSY);
  begin();
  unlock();
  program(CHIP_FLASH_AT, 0x0f0f0f0f);
  wait();
  program(CHIP_FLASH_AT, 0x33333333);
  wait();
  check(MISUSE_NOT_ERASED);
  CHECK(register_read(CHIP_FLASH_AT) == 0x03030303);
  begin();
  unlock();
  register_write(FLASH_CR, FLASH_CR_PG);
  register_write(CHIP_FLASH_AT, 0);
  CHECK((register_read(FLASH_SR) & FLASH_SR_PGPERR) != 0);
  program(CHIP_FLASH_AT, 0);
  check(MISUSE_FLAGS);
  begin();
  unlock();
  program(CHIP_FLASH_AT - 4, 0);
  check(MISUSE_IMAGE);
}

static void check_erases(void) {
  begin();
  memset(model_store(), 0, CHIP_FLASH_SECTOR_BYTES);
  CHECK(register_read(CHIP_FLASH_AT) == 0);
  unlock();
  register_write(FLASH_CR, ERASES);
  register_write(FLASH_CR, ERASES | FLASH_CR_STRT);
  wait();
  /* Erased, but the cache does not know; and it is not to be emptied while it is on. */
  CHECK(model_store()[0] == 0xff && register_read(CHIP_FLASH_AT) == 0);
  check(0);
  register_set(FLASH_ACR, FLASH_ACR_DCRST);
  check(MISUSE_CACHES);
}

static void check_clocks(void) {
  model_reset();
  (void)register_read(RNG_SR);
  check(MISUSE_NO_CLOCK);
  model_reset();
  register_set(RCC_APB1ENR, RCC_APB1ENR_TIM2);
  register_write(TIM2_PSC, 1);
  check(MISUSE_NO_CLOCK);
  model_reset();
  register_write(RCC_CFGR, RCC_CFGR_SW_PLL);
  check(MISUSE_WAIT_STATES | MISUSE_CLOCK_TREE);
  model_reset();
  register_write(RCC_CR, RCC_CR_PLLON);
  check(MISUSE_CLOCK_TREE);
  model_reset();
  (void)register_read(0x40013000);
  check(MISUSE_ADDRESS);
  model_reset();
}

void model_negatives(void) {
  check_keys();
  check_programs();
  check_erases();
  check_clocks();
}
