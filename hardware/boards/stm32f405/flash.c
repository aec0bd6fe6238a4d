#include "flash.h"

#include "bus.h"
#include "platform/bytes.h"
#include "registers.h"

#define REGION_BYTES (CHIP_FLASH_SECTORS * CHIP_FLASH_SECTOR_BYTES)
#define ERASED_WORD UINT32_MAX
#define ERRORS (FLASH_SR_OPERR | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_PGSERR)
/* Far more than an operation takes, for the core stands still for most of it. */
#define POLLS_MAX 100000000u

static bool is_range(uint32_t address, uint32_t length) {
  return address <= REGION_BYTES && length <= REGION_BYTES - address;
}

static bool is_done(void) {
  bus_settle();
  for (uint32_t i = 0; i < POLLS_MAX; i++) {
    if ((register_read(FLASH_SR) & FLASH_SR_BSY) == 0) return (register_read(FLASH_SR) & ERRORS) == 0;
  }
  return false;
}

/* Flags are cleared by writing them; the two keys in this order, or the chip takes none until it is reset. */
static bool unlock(void) {
  register_write(FLASH_SR, FLASH_SR_EOP | ERRORS);
  if (!is_done()) return false;
  if ((register_read(FLASH_CR) & FLASH_CR_LOCK) != 0) {
    register_write(FLASH_KEYR, FLASH_KEY1);
    register_write(FLASH_KEYR, FLASH_KEY2);
  }
  return (register_read(FLASH_CR) & FLASH_CR_LOCK) == 0;
}

static void lock(void) {
  register_write(FLASH_CR, FLASH_CR_LOCK);
}

static bool read_bytes(uint32_t address, uint8_t *to, uint32_t length) {
  if (!is_range(address, length)) return false;
  memory_read(CHIP_FLASH_AT + address, to, length);
  return true;
}

static bool program_word(uint32_t address, uint32_t word) {
  register_write(address, word);
  return is_done() && register_read(address) == word;
}

static bool program(uint32_t address, const uint8_t *from, uint32_t length) {
  bool is_whole = address % CHIP_FLASH_WORD_BYTES == 0 && length % CHIP_FLASH_WORD_BYTES == 0;
  if (!is_whole || !is_range(address, length) || !unlock()) return false;
  register_write(FLASH_CR, FLASH_CR_PSIZE_32 | FLASH_CR_PG);
  bool is_taken = true;
  for (uint32_t at = 0; is_taken && at < length; at += CHIP_FLASH_WORD_BYTES) {
    is_taken = program_word(CHIP_FLASH_AT + address + at, bytes_read32(from + at));
  }
  lock();
  return is_taken;
}

/* What the caches hold of a sector is no longer so; they are emptied while they are off. */
static void empty_caches(void) {
  uint32_t access = register_read(FLASH_ACR);
  uint32_t off = access & ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
  register_write(FLASH_ACR, off);
  register_write(FLASH_ACR, off | FLASH_ACR_ICRST | FLASH_ACR_DCRST);
  register_write(FLASH_ACR, off);
  register_write(FLASH_ACR, access);
}

static bool is_erased(uint32_t sector) {
  uint32_t begin = CHIP_FLASH_AT + sector * CHIP_FLASH_SECTOR_BYTES;
  for (uint32_t at = 0; at < CHIP_FLASH_SECTOR_BYTES; at += CHIP_FLASH_WORD_BYTES) {
    if (register_read(begin + at) != ERASED_WORD) return false;
  }
  return true;
}

static bool erase(uint32_t sector) {
  if (sector >= CHIP_FLASH_SECTORS || !unlock()) return false;
  uint32_t chosen = FLASH_CR_PSIZE_32 | FLASH_CR_SER | (CHIP_FLASH_SECTOR_FIRST + sector) << FLASH_CR_SNB_AT;
  register_write(FLASH_CR, chosen);
  register_write(FLASH_CR, chosen | FLASH_CR_STRT);
  bool is_taken = is_done();
  lock();
  empty_caches();
  return is_taken && is_erased(sector);
}

const struct pages_flash chip_flash = {
    CHIP_FLASH_SECTOR_BYTES, CHIP_FLASH_SECTORS, CHIP_FLASH_WORD_BYTES, read_bytes, program, erase,
};
