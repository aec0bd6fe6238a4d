#include "clock.h"

#include "bus.h"
#include "registers.h"

/* The crystal of the board, in MHz: the PLL's input is divided to 1 MHz. */
#ifndef BOARD_CRYSTAL_MHZ
#define BOARD_CRYSTAL_MHZ 8u
#endif
_Static_assert(BOARD_CRYSTAL_MHZ >= 4 && BOARD_CRYSTAL_MHZ <= 26, "what the chip's oscillator takes");

#define PLL_MHZ 336u
#define PLL_P_IS_2 0u
#define PLL_Q 7u
_Static_assert(PLL_MHZ / 2 * 1000000u == CORE_HZ && PLL_MHZ / PLL_Q == 48, "the PLL's two outputs");

/* The prescaler has 16 bits. */
#define TICKS_PER_MS 2u
/* A crystal takes milliseconds; of the first 16 MHz each look takes some cycles. */
#define POLLS_MAX 1000000u

static bool comes(uint32_t address, uint32_t mask, uint32_t wanted) {
  for (uint32_t i = 0; i < POLLS_MAX; i++) {
    if ((register_read(address) & mask) == wanted) return true;
  }
  return false;
}

bool clock_start(void) {
  bus_clock_on(RCC_APB1ENR, RCC_APB1ENR_PWR);
  register_set(PWR_CR, PWR_CR_VOS);
  register_set(RCC_CR, RCC_CR_HSEON);
  if (!comes(RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) return false;
  register_write(RCC_PLLCFGR, BOARD_CRYSTAL_MHZ | PLL_MHZ << RCC_PLLCFGR_N_AT | PLL_P_IS_2 << RCC_PLLCFGR_P_AT |
                                  RCC_PLLCFGR_HSE | PLL_Q << RCC_PLLCFGR_Q_AT);
  register_set(RCC_CR, RCC_CR_PLLON);
  if (!comes(RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) return false;
  /* Flash has to be slow enough, and the buses, before the core is fast. */
  register_write(FLASH_ACR, FLASH_ACR_LATENCY | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN);
  if (!comes(FLASH_ACR, FLASH_ACR_LATENCY_MASK, FLASH_ACR_LATENCY)) return false;
  register_write(RCC_CFGR, RCC_CFGR_APB1_BY_4 | RCC_CFGR_APB2_BY_2);
  register_write(RCC_CFGR, RCC_CFGR_APB1_BY_4 | RCC_CFGR_APB2_BY_2 | RCC_CFGR_SW_PLL);
  return comes(RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL);
}

void clock_time_start(void) {
  bus_clock_on(RCC_APB1ENR, RCC_APB1ENR_TIM2);
  register_write(TIM2_PSC, TIMER_HZ / 1000 / TICKS_PER_MS - 1);
  /* The prescaler is taken over at an update. */
  register_write(TIM2_EGR, TIM2_EGR_UG);
  register_write(TIM2_CR1, TIM2_CR1_CEN);
}

uint64_t clock_time_ms(void) {
  static uint64_t ticks;
  ticks += (uint32_t)(register_read(TIM2_CNT) - (uint32_t)ticks);
  return ticks / TICKS_PER_MS;
}
