#include "chips.h"

#include <string.h>

#include "boards/riscv-virt/cfi-bus.h"
#include "boards/riscv-virt/time.h"
#include "check.h"

#define WORD_BYTES 2u
#define BUFFER_BYTES (1u << CHIP_BUFFER_POWER)
#define READY 0x80u

/* What a chip answers reads with, and what it waits for. */
enum answers { ANSWER_MEMORY, ANSWER_STATUS, ANSWER_QUERY };
enum stage { STAGE_NONE, STAGE_COUNT, STAGE_WORDS, STAGE_CONFIRM, STAGE_ERASE };

struct state {
  enum answers answers;
  enum stage stage;
  uint64_t busy_until;
  uint64_t buffer_from;
  uint8_t errors;
  uint32_t sector;
  uint32_t begin;
  uint32_t count, filled;
  uint8_t buffer[BUFFER_BYTES];
};

struct chip chips[CHIPS];
static struct state states[CHIPS];
static uint64_t now_us;

/* Time passes by being looked at. */
uint64_t time_us(void) {
  return ++now_us;
}

static const uint8_t query[] = {
    [0x10] = 'Q',  [0x11] = 'R', [0x12] = 'Y', [0x13] = 1,  [0x20] = 7,
    [0x21] = 1,    [0x24] = 4,   [0x25] = 2,   [0x2a] = CHIP_BUFFER_POWER,
    [0x2c] = 1,    [0x2d] = CHIP_SECTORS - 1,  [0x2f] = CHIP_SECTOR_BYTES / 256,
};

void chips_start(void) {
  memset(chips, 0, sizeof chips);
  memset(states, 0, sizeof states);
  for (uint32_t i = 0; i < CHIPS; i++) {
    memset(chips[i].bytes, 0xff, sizeof chips[i].bytes);
    memcpy(chips[i].query, query, sizeof query);
    chips[i].program_us = 100;
    chips[i].erase_us = 3000;
  }
}

bool chips_are_ready(void) {
  for (uint32_t i = 0; i < CHIPS; i++) {
    if (states[i].stage != STAGE_NONE || now_us < states[i].busy_until) return false;
  }
  return true;
}

bool chips_rest(void) {
  return chips_are_ready() && states[0].answers == ANSWER_MEMORY && states[1].answers == ANSWER_MEMORY;
}

uint8_t *chips_byte(uint32_t address) {
  uint32_t word = address / (CHIPS * WORD_BYTES);
  uint32_t within = address % (CHIPS * WORD_BYTES);
  return &chips[within / WORD_BYTES].bytes[word * WORD_BYTES + within % WORD_BYTES];
}

static void program_buffer(struct chip *chip, struct state *state) {
  state->busy_until = now_us + chip->program_us;
  state->errors |= chip->failure;
  if (chip->failure != 0) return;
  for (uint32_t i = 0; i < state->count * WORD_BYTES; i++) chip->bytes[state->begin + i] &= state->buffer[i];
  chip->operations++;
}

static void erase_sector(struct chip *chip, struct state *state) {
  state->busy_until = now_us + chip->erase_us;
  state->errors |= chip->failure;
  if (chip->failure != 0) return;
  memset(chip->bytes + state->sector * CHIP_SECTOR_BYTES, 0xff, CHIP_SECTOR_BYTES);
  chip->operations++;
}

static void begin(const struct chip *chip, struct state *state, uint32_t at, uint8_t command) {
  state->sector = at / CHIP_SECTOR_BYTES;
  switch (command) {
    case 0xff:
      state->answers = ANSWER_MEMORY;
      return;
    case 0x98:
      state->answers = ANSWER_QUERY;
      return;
    case 0x50:
      state->errors = 0;
      return;
    case 0xe8:
      /* Whoever goes on without the buffer has lost what it writes. */
      if (state->buffer_from == 0) state->buffer_from = now_us + chip->buffer_us;
      state->stage = STAGE_COUNT;
      break;
    case 0x20:
      state->stage = STAGE_ERASE;
      break;
    default:
      CHECK(false);
  }
  /* Errors of before would be taken for the next one's. */
  CHECK(state->errors == 0);
  state->answers = ANSWER_STATUS;
}

static void take_word(struct state *state, uint32_t at, uint16_t word) {
  if (state->filled == 0) state->begin = at;
  CHECK(at == state->begin + state->filled * WORD_BYTES && at / CHIP_SECTOR_BYTES == state->sector);
  CHECK(at / BUFFER_BYTES == state->begin / BUFFER_BYTES);
  memcpy(state->buffer + state->filled * WORD_BYTES, &word, sizeof word);
  if (++state->filled == state->count) state->stage = STAGE_CONFIRM;
}

static void write_half(struct chip *chip, struct state *state, uint32_t at, uint16_t half) {
  CHECK(now_us >= state->busy_until);
  switch (state->stage) {
    case STAGE_NONE:
      CHECK(half <= 0xff);
      begin(chip, state, at, (uint8_t)half);
      return;
    case STAGE_COUNT:
      CHECK(now_us >= state->buffer_from && half < BUFFER_BYTES / WORD_BYTES && at / CHIP_SECTOR_BYTES == state->sector);
      state->buffer_from = 0;
      state->count = half + 1u;
      state->filled = 0;
      state->stage = STAGE_WORDS;
      return;
    case STAGE_WORDS:
      take_word(state, at, half);
      return;
    case STAGE_CONFIRM:
    case STAGE_ERASE:
      CHECK(half == 0xd0 && at / CHIP_SECTOR_BYTES == state->sector);
      if (state->stage == STAGE_ERASE) erase_sector(chip, state);
      else program_buffer(chip, state);
      state->stage = STAGE_NONE;
      return;
  }
}

static uint16_t read_half(const struct chip *chip, const struct state *state, uint32_t at) {
  uint16_t half;
  bool is_ready = now_us >= state->busy_until && (state->stage != STAGE_COUNT || now_us >= state->buffer_from);
  switch (state->answers) {
    case ANSWER_STATUS:
      /* The other bits mean nothing while it works. */
      return is_ready ? READY | state->errors : 0x3e;
    case ANSWER_QUERY:
      return at / WORD_BYTES < QUERY_BYTES ? chip->query[at / WORD_BYTES] : 0;
    case ANSWER_MEMORY:
    default:
      memcpy(&half, chip->bytes + at, sizeof half);
      return half;
  }
}

static uint32_t place_of(uint32_t address) {
  CHECK(address % (CHIPS * WORD_BYTES) == 0 && address < CHIPS * CHIP_BYTES);
  return address / CHIPS;
}

uint32_t cfi_bus_read(uint32_t address) {
  uint32_t at = place_of(address);
  return (uint32_t)read_half(&chips[1], &states[1], at) << 16 | read_half(&chips[0], &states[0], at);
}

void cfi_bus_write(uint32_t address, uint32_t word) {
  uint32_t at = place_of(address);
  write_half(&chips[0], &states[0], at, (uint16_t)word);
  write_half(&chips[1], &states[1], at, (uint16_t)(word >> 16));
}

void cfi_bus_copy(uint32_t address, uint8_t *destination, uint32_t length) {
  CHECK(chips_rest());
  for (uint32_t i = 0; i < length; i++) destination[i] = *chips_byte(address + i);
}
