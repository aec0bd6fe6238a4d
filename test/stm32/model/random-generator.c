/* The random number generator of the model. */

#include "boards/stm32f405/registers.h"
#include "chip-model.h"

#define NOT_READY_LOOKS 3
#define STUCK_WORD 0x5a5a5a5au

static uint32_t cr, sr, looks, words;
static enum model_source source_now;
static uint32_t source_words;

uint32_t model_word(uint32_t n) {
  uint32_t mixed = (n + 1) * 0x9e3779b1u;
  mixed ^= mixed >> 15;
  return mixed * 0x85ebca6bu ^ 0x1234567u;
}

void model_source(enum model_source source, uint32_t count) {
  source_now = source;
  source_words = count;
}

void random_generator_reset(void) {
  cr = sr = looks = words = 0;
  source_now = SOURCE_GOOD;
  source_words = 0;
}

static enum model_source current(void) {
  return source_words > 0 ? source_now : SOURCE_GOOD;
}

/* An error stays noted until the driver clears it; a wrong seed gives words again only when the generator is begun anew. */
static uint32_t read_sr(void) {
  if ((cr & RNG_CR_RNGEN) == 0) return sr;
  if (current() == SOURCE_SILENT) return sr;
  if (current() == SOURCE_SEED_ERROR || current() == SOURCE_CLOCK_ERROR) {
    sr |= current() == SOURCE_SEED_ERROR ? RNG_SR_SEIS : RNG_SR_CEIS;
    source_words--;
  }
  return looks++ < NOT_READY_LOOKS ? sr : sr | RNG_SR_DRDY;
}

static uint32_t read_dr(void) {
  if (looks <= NOT_READY_LOOKS || (sr & RNG_SR_SEIS) != 0) return 0;
  looks = 0;
  if (current() == SOURCE_LATE_ERROR) sr |= RNG_SR_SEIS;
  bool is_bad = current() == SOURCE_STUCK || current() == SOURCE_LATE_ERROR;
  source_words -= is_bad;
  return is_bad ? STUCK_WORD : model_word(words++);
}

bool random_generator_read(uint32_t address, uint32_t *value) {
  if (address == RNG_SR) *value = read_sr();
  else if (address == RNG_DR) *value = read_dr();
  else if (address == RNG_CR) *value = cr;
  else return false;
  if (!model_has_random_clock()) model_misuses |= MISUSE_NO_CLOCK;
  return true;
}

bool random_generator_write(uint32_t address, uint32_t value) {
  if (address == RNG_CR) {
    cr = value;
    looks = 0;
  } else if (address == RNG_SR) sr &= value | ~(RNG_SR_CEIS | RNG_SR_SEIS);
  else return false;
  if (!model_has_random_clock()) model_misuses |= MISUSE_NO_CLOCK;
  return true;
}
