#include "chip-model.h"

#include <stddef.h>

#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/registers.h"
#include "check.h"

/* A crystal and a PLL need some looks before they are ready. */
#define READY_AFTER 7
/* The crystal that clock.c is compiled for. */
#define CRYSTAL_MHZ 8
#define PLLCFGR_FIELD(VALUE, AT, BITS) ((VALUE) >> (AT) & ((1u << (BITS)) - 1))

uint32_t model_misuses;

/* Registers that only keep what is written, by the address of each. */
static const uint32_t plain_addresses[] = {
    RCC_PLLCFGR, RCC_AHB1ENR,    RCC_AHB2ENR,      RCC_APB1ENR,    RCC_APB2ENR,   PWR_CR,     GPIOA_MODER,
    GPIOA_PUPDR, GPIOA_AFRH,     TIM2_CR1,         TIM2_EGR,       TIM2_PSC,      DMA2_LIFCR, DMA2_S2CR,
    DMA2_S2PAR,  DMA2_S2M0AR,    DMA2_S2NDTR,      USART1_BAUD,    USART1_STATUS, USART1_DATA, USART1_CONTROL,
    SYSTICK_VALUE, SYSTICK_RELOAD, SYSTICK_CONTROL, USART1_CONTROL_3,
};
#define PLAIN (sizeof plain_addresses / sizeof plain_addresses[0])
static uint32_t plain[PLAIN];

/* What the driver says its memory is, and where the controller begins anew. */
#define MEMORY_AT 0x20000000u
static volatile uint8_t *memory;
static uint32_t ring_bytes;

static uint32_t rcc_cr;
static uint32_t rcc_cfgr;
static uint32_t looks;
static uint32_t timer;
/* Where a clock was turned on that is not there yet: until the register is read, which takes as long (ES0182). 0: nowhere. */
static uint32_t unsettled_at;
static enum model_crystal crystal_now;

static uint32_t *plain_at(uint32_t address) {
  for (uint32_t i = 0; i < PLAIN; i++) {
    if (plain_addresses[i] == address) return &plain[i];
  }
  return NULL;
}

void model_crystal(enum model_crystal crystal) {
  crystal_now = crystal;
}

void model_reset(void) {
  for (uint32_t i = 0; i < PLAIN; i++) plain[i] = 0;
  *plain_at(GPIOA_MODER) = 0xa8000000;
  *plain_at(RCC_PLLCFGR) = 0x24003010;
  rcc_cr = 0x83;
  rcc_cfgr = 0;
  looks = 0;
  timer = 0;
  unsettled_at = 0;
  model_misuses = 0;
  flash_controller_reset();
  random_generator_reset();
}

static bool is_on(uint32_t address, uint32_t bit) {
  return (*plain_at(address) & bit) != 0;
}

static bool is_clocked_by(uint32_t address, uint32_t bit) {
  return is_on(address, bit) && address != unsettled_at;
}

bool model_has_random_clock(void) {
  return is_clocked_by(RCC_AHB2ENR, RCC_AHB2ENR_RNG) && (rcc_cr & RCC_CR_PLLRDY) != 0;
}

/* What each peripheral needs before it may be asked. */
static void check_clock(uint32_t address) {
  bool is_clocked = true;
  if (address >= 0x40020000 && address < 0x40020400) is_clocked = is_clocked_by(RCC_AHB1ENR, RCC_AHB1ENR_GPIOA);
  if (address >= 0x40000000 && address < 0x40000400) is_clocked = is_clocked_by(RCC_APB1ENR, RCC_APB1ENR_TIM2);
  if (address >= 0x40026400 && address < 0x40026800) is_clocked = is_clocked_by(RCC_AHB1ENR, RCC_AHB1ENR_DMA2);
  if (address >= 0x40011000 && address < 0x40011400) is_clocked = is_clocked_by(RCC_APB2ENR, RCC_APB2ENR_USART1);
  if (address == PWR_CR) is_clocked = is_clocked_by(RCC_APB1ENR, RCC_APB1ENR_PWR);
  if (!is_clocked) model_misuses |= MISUSE_NO_CLOCK;
}

static bool is_clocks(uint32_t address) {
  return address == RCC_AHB1ENR || address == RCC_AHB2ENR || address == RCC_APB1ENR || address == RCC_APB2ENR;
}

static void write_cr(uint32_t value) {
  uint32_t started = value & ~rcc_cr;
  if ((started & RCC_CR_PLLON) != 0) {
    uint32_t pll = *plain_at(RCC_PLLCFGR);
    uint32_t p = 2 * (PLLCFGR_FIELD(pll, 16, 2) + 1);
    uint32_t vco = CRYSTAL_MHZ * PLLCFGR_FIELD(pll, 6, 9) / (pll & 0x3f);
    bool is_wanted = (pll & RCC_PLLCFGR_HSE) != 0 && CRYSTAL_MHZ == (pll & 0x3f) && vco * 1000000 / p == CORE_HZ &&
                     vco == 48 * PLLCFGR_FIELD(pll, 24, 4) && (rcc_cr & RCC_CR_HSERDY) != 0;
    if (!is_wanted) model_misuses |= MISUSE_CLOCK_TREE;
  }
  uint32_t ready = rcc_cr & (RCC_CR_HSERDY | RCC_CR_PLLRDY | 2);
  rcc_cr = (value & ~(RCC_CR_HSERDY | RCC_CR_PLLRDY | 2u)) | ready;
  looks = 0;
}

static uint32_t read_cr(void) {
  if (++looks >= READY_AFTER) {
    if ((rcc_cr & RCC_CR_HSEON) != 0 && crystal_now == CRYSTAL_GOOD) rcc_cr |= RCC_CR_HSERDY;
    if ((rcc_cr & RCC_CR_PLLON) != 0 && (rcc_cr & RCC_CR_HSERDY) != 0) rcc_cr |= RCC_CR_PLLRDY;
  }
  return rcc_cr;
}

static void write_cfgr(uint32_t value) {
  if ((value & RCC_CFGR_SW_MASK) == RCC_CFGR_SW_PLL) {
    /* Dividers of the buses come before the speed that they divide. */
    bool is_slow = (rcc_cfgr & (RCC_CFGR_APB1_BY_4 | RCC_CFGR_APB2_BY_2)) == (RCC_CFGR_APB1_BY_4 | RCC_CFGR_APB2_BY_2);
    bool is_fit = flash_controller_wait_states() >= 5 && is_on(PWR_CR, PWR_CR_VOS);
    if (!is_fit) model_misuses |= MISUSE_WAIT_STATES;
    if (!is_slow || (rcc_cr & RCC_CR_PLLRDY) == 0) model_misuses |= MISUSE_CLOCK_TREE;
  }
  rcc_cfgr = (value & ~RCC_CFGR_SWS_MASK) | (value & RCC_CFGR_SW_MASK) << 2;
}

uint32_t register_read(uint32_t address) {
  uint32_t value = 0;
  check_clock(address);
  if (address == unsettled_at) unsettled_at = 0;
  if (address == RCC_CR) return read_cr();
  if (address == RCC_CFGR) return rcc_cfgr;
  if (address == TIM2_CNT) return timer += 3;
  if (flash_controller_read(address, &value) || random_generator_read(address, &value)) return value;
  if (plain_at(address) != NULL) return *plain_at(address);
  model_misuses |= MISUSE_ADDRESS;
  return 0;
}

void register_write(uint32_t address, uint32_t value) {
  check_clock(address);
  if (address == RCC_PLLCFGR && (rcc_cr & RCC_CR_PLLON) != 0) model_misuses |= MISUSE_CLOCK_TREE;
  /* A stream's registers are written while it is off. */
  bool is_stream = address >= DMA2_S2NDTR && address <= DMA2_S2M0AR;
  if (is_stream && is_on(DMA2_S2CR, DMA2_CR_EN)) model_misuses |= MISUSE_BUSY;
  if (address == DMA2_S2NDTR) ring_bytes = value;
  if (is_clocks(address) && (value & ~*plain_at(address)) != 0) unsettled_at = address;
  if (address == RCC_CR) write_cr(value);
  else if (address == RCC_CFGR) write_cfgr(value);
  else if (plain_at(address) != NULL) *plain_at(address) = value;
  else if (!flash_controller_write(address, value) && !random_generator_write(address, value)) model_misuses |= MISUSE_ADDRESS;
}

uint32_t bus_address(volatile void *it) {
  memory = it;
  return MEMORY_AT;
}

/* Nothing that the model has would end it. */
void bus_sleep(void) {
  CHECK(false);
}

bool model_line(uint8_t byte) {
  uint32_t *left = plain_at(DMA2_S2NDTR);
  bool is_received = (*plain_at(USART1_CONTROL) & USART_ENABLE) == USART_ENABLE && is_on(USART1_CONTROL_3, USART_DMA_RECEIVES) &&
                     *plain_at(USART1_BAUD) == USART_HZ / USART_BAUD;
  bool is_taken = *plain_at(DMA2_S2CR) == (DMA2_USART1_TO_RING | DMA2_CR_EN) && *plain_at(DMA2_S2PAR) == USART1_DATA &&
                  *plain_at(DMA2_S2M0AR) == MEMORY_AT && ring_bytes > 0;
  if (!is_received || !is_taken) return false;
  /* The counter is loaded anew with the next byte, so that it can be seen at zero. */
  if (*left == 0) *left = ring_bytes;
  memory[ring_bytes - *left] = byte;
  --*left;
  return true;
}
