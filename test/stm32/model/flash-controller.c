/* The flash of the model, its controller, and the data cache in front of it. */

#include <string.h>

#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/flash.h"
#include "boards/stm32f405/registers.h"
#include "check.h"
#include "chip-model.h"
#include "cut.h"

#define FLASH_BASE 0x08000000u
#define REGION_BYTES (CHIP_FLASH_SECTORS * CHIP_FLASH_SECTOR_BYTES)
#define REGION_END (CHIP_FLASH_AT + REGION_BYTES)
#define LINE_BYTES 16
#define LINES (REGION_BYTES / LINE_BYTES)
/* Looks at the status before an operation is done. */
#define BUSY_LOOKS_MAX 5
/* And before wait states that were chosen hold. */
#define LATENCY_LOOKS 3
#define ERRORS (FLASH_SR_OPERR | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_PGSERR)

enum keys { KEYS_NONE, KEYS_FIRST, KEYS_OPEN, KEYS_SPOILT };

static uint8_t own_store[REGION_BYTES];
static uint8_t *store = own_store;
/* Lines that were read while the cache was on; an erasure does not change them. */
static uint8_t cached[REGION_BYTES];
static bool is_cached[LINES];

static uint32_t acr, sr, cr;
static uint32_t latency, latency_looks;
static uint32_t busy_looks;
static enum keys keys;
static uint32_t protected_sectors;

uint8_t *model_store(void) {
  return store;
}

void model_keep(uint8_t *bytes) {
  store = bytes;
}

void model_protect(uint32_t sectors) {
  protected_sectors = sectors;
}

void flash_controller_reset(void) {
  memset(is_cached, 0, sizeof is_cached);
  acr = 0;
  latency = 0;
  latency_looks = 0;
  sr = 0;
  cr = FLASH_CR_LOCK;
  busy_looks = 0;
  keys = KEYS_NONE;
}

uint32_t flash_controller_wait_states(void) {
  return latency;
}

static void note(bool is_misuse, enum misuse misuse) {
  if (is_misuse) model_misuses |= (uint32_t)misuse;
}

/* An operation begins: it is whole at once, or torn, or fails; and the controller is busy for some looks. */
static bool begin(bool is_erasure) {
  note((sr & ERRORS) != 0, MISUSE_FLAGS);
  busy_looks = 1 + random_below(BUSY_LOOKS_MAX);
  return cut_comes(is_erasure);
}

/* Power goes within it, or it failed: with a flag, or with nothing but what flash then holds. */
static void end_torn(void) {
  (void)cut_end();
  if (random_below(2) == 0) sr |= FLASH_SR_PGAERR;
}

static void program(uint32_t address, uint32_t word) {
  uint32_t at = address - CHIP_FLASH_AT;
  uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24)};
  uint8_t *there = store + at;
  bool is_erased = there[0] == 0xff && there[1] == 0xff && there[2] == 0xff && there[3] == 0xff;
  note(!is_erased && word != 0, MISUSE_NOT_ERASED);
  if ((protected_sectors >> at / CHIP_FLASH_SECTOR_BYTES & 1) != 0) {
    sr |= FLASH_SR_WRPERR;
    return;
  }
  if (begin(false)) {
    tear_program(there, bytes, sizeof bytes, 1);
    memcpy(cached + at, there, sizeof bytes);
    end_torn();
    return;
  }
  for (uint32_t i = 0; i < sizeof bytes; i++) there[i] &= bytes[i];
  memcpy(cached + at, there, sizeof bytes);
}

static void erase(uint32_t number) {
  uint32_t sector = number - CHIP_FLASH_SECTOR_FIRST;
  note(number < CHIP_FLASH_SECTOR_FIRST || sector >= CHIP_FLASH_SECTORS, MISUSE_IMAGE);
  if (sector >= CHIP_FLASH_SECTORS) return;
  if ((protected_sectors >> sector & 1) != 0) {
    sr |= FLASH_SR_WRPERR;
    return;
  }
  uint8_t *there = store + sector * CHIP_FLASH_SECTOR_BYTES;
  if (begin(true)) {
    tear_erase(there, CHIP_FLASH_SECTOR_BYTES);
    end_torn();
    return;
  }
  memset(there, 0xff, CHIP_FLASH_SECTOR_BYTES);
}

static void write_memory(uint32_t address, uint32_t value) {
  note(busy_looks > 0, MISUSE_BUSY);
  if (address < CHIP_FLASH_AT) note(true, MISUSE_IMAGE);
  else if ((cr & (FLASH_CR_LOCK | FLASH_CR_PG)) != FLASH_CR_PG) sr |= FLASH_SR_PGSERR;
  else if ((cr & FLASH_CR_PSIZE_MASK) != FLASH_CR_PSIZE_32) sr |= FLASH_SR_PGPERR;
  else if (address % 4 != 0) sr |= FLASH_SR_PGAERR;
  else program(address, value);
}

static void write_keys(uint32_t value) {
  bool is_first = keys == KEYS_NONE && value == FLASH_KEY1;
  bool is_second = keys == KEYS_FIRST && value == FLASH_KEY2;
  note(!is_first && !is_second, MISUSE_KEYS);
  keys = is_first ? KEYS_FIRST : is_second ? KEYS_OPEN : KEYS_SPOILT;
  if (is_second) cr &= ~FLASH_CR_LOCK;
}

static void write_cr(uint32_t value) {
  note(busy_looks > 0, MISUSE_BUSY);
  note((cr & FLASH_CR_LOCK) != 0, MISUSE_LOCKED);
  if ((cr & FLASH_CR_LOCK) != 0) return;
  cr = value & ~FLASH_CR_STRT;
  if ((value & FLASH_CR_LOCK) != 0) keys = KEYS_NONE;
  if ((value & FLASH_CR_STRT) == 0) return;
  if ((value & (FLASH_CR_SER | FLASH_CR_PG)) != FLASH_CR_SER) sr |= FLASH_SR_PGSERR;
  else erase((value & FLASH_CR_SNB_MASK) >> FLASH_CR_SNB_AT);
}

static void write_acr(uint32_t value) {
  bool is_emptied = (value & (FLASH_ACR_DCRST | FLASH_ACR_ICRST)) != 0;
  note(is_emptied && ((acr | value) & (FLASH_ACR_DCEN | FLASH_ACR_ICEN)) != 0, MISUSE_CACHES);
  if ((value & FLASH_ACR_DCRST) != 0) memset(is_cached, 0, sizeof is_cached);
  acr = value;
  latency_looks = LATENCY_LOOKS;
}

static uint32_t read_acr(void) {
  if (latency_looks > 0 && --latency_looks == 0) latency = acr & FLASH_ACR_LATENCY_MASK;
  return (acr & ~FLASH_ACR_LATENCY_MASK) | latency;
}

bool flash_controller_write(uint32_t address, uint32_t value) {
  if (address >= FLASH_BASE && address < REGION_END) write_memory(address, value);
  else if (address == FLASH_ACR) write_acr(value);
  else if (address == FLASH_KEYR) write_keys(value);
  else if (address == FLASH_SR) sr &= ~value;
  else if (address == FLASH_CR) write_cr(value);
  else return false;
  return true;
}

static uint32_t read_sr(void) {
  if (busy_looks == 0) return sr;
  busy_looks--;
  return sr | FLASH_SR_BSY;
}

void memory_read(uint32_t address, uint8_t *to, uint32_t length) {
  note(busy_looks > 0, MISUSE_BUSY);
  CHECK(address >= CHIP_FLASH_AT && address + length <= REGION_END);
  uint32_t at = address - CHIP_FLASH_AT;
  if ((acr & FLASH_ACR_DCEN) == 0) {
    memcpy(to, store + at, length);
    return;
  }
  for (uint32_t i = at / LINE_BYTES; i * LINE_BYTES < at + length; i++) {
    if (is_cached[i]) continue;
    memcpy(cached + i * LINE_BYTES, store + i * LINE_BYTES, LINE_BYTES);
    is_cached[i] = true;
  }
  memcpy(to, cached + at, length);
}

bool flash_controller_read(uint32_t address, uint32_t *value) {
  uint8_t bytes[4];
  if (address >= CHIP_FLASH_AT && address < REGION_END) {
    memory_read(address, bytes, sizeof bytes);
    *value = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
  } else if (address == FLASH_ACR) *value = read_acr();
  else if (address == FLASH_SR) *value = read_sr();
  else if (address == FLASH_CR) *value = cr;
  else return false;
  return true;
}
