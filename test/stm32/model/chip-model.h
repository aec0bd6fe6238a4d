/*
 * A model of what the drivers of the STM32F405 use (RM0090): clocks, flash controller, random number generator. It is stricter than
 * the chip: what a driver must not rely on is noted as a misuse, where the chip would stall or do something.
 */
#ifndef TALLYSTICK_CHIP_MODEL_H
#define TALLYSTICK_CHIP_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum misuse {
  MISUSE_ADDRESS = 1 << 0,         /* a register that the model does not have */
  MISUSE_NO_CLOCK = 1 << 1,        /* a peripheral without its clock, or before that is there */
  MISUSE_KEYS = 1 << 2,            /* other than the two keys in their order */
  MISUSE_LOCKED = 1 << 3,          /* the control register while it is locked */
  MISUSE_BUSY = 1 << 4,            /* flash, or its control register, while it is busy */
  MISUSE_NOT_ERASED = 1 << 5,      /* a word that is programmed, with anything but zero */
  MISUSE_FLAGS = 1 << 6,           /* an operation while error flags stand */
  MISUSE_CACHES = 1 << 7,          /* caches emptied while they are on */
  MISUSE_WAIT_STATES = 1 << 8,     /* a core faster than its flash, or a voltage too low for it */
  MISUSE_CLOCK_TREE = 1 << 9,      /* a PLL that is changed while it runs or gives other frequencies than the drivers count on */
  MISUSE_IMAGE = 1 << 10,          /* flash outside of the store */
};

/* What was done since the last reset that must not be. */
extern uint32_t model_misuses;

/* Power comes: registers as after a reset, flash as it is. */
void model_reset(void);

/* Flash of the store, with nothing in it changed by reading. */
uint8_t *model_store(void);

/* Has the flash of the store in these bytes from now on, as many as the driver's sectors have. */
void model_keep(uint8_t *bytes);

/* Sectors of the store that option bytes protect from now on. */
void model_protect(uint32_t sectors);

enum model_crystal { CRYSTAL_GOOD, CRYSTAL_DEAD };
void model_crystal(enum model_crystal crystal);

/* The generator's words from now on, for so many words; then good ones again. A late error comes with the word itself. */
enum model_source { SOURCE_GOOD, SOURCE_STUCK, SOURCE_SEED_ERROR, SOURCE_CLOCK_ERROR, SOURCE_SILENT, SOURCE_LATE_ERROR };
void model_source(enum model_source source, uint32_t words);

/* The n-th good word that the generator gives after model_reset. */
uint32_t model_word(uint32_t n);

/* A byte arrives on the serial line; false: nobody took it. */
bool model_line(uint8_t byte);

/* Parts, for the dispatcher: false where the address is none of theirs. */
bool flash_controller_read(uint32_t address, uint32_t *value);
bool flash_controller_write(uint32_t address, uint32_t value);
void flash_controller_reset(void);
uint32_t flash_controller_wait_states(void);
bool random_generator_read(uint32_t address, uint32_t *value);
bool random_generator_write(uint32_t address, uint32_t value);
void random_generator_reset(void);
bool model_has_random_clock(void);

#endif
