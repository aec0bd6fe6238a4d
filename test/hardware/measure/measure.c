#include "measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "boards/board.h"
#include "card/card.h"

#if defined(__arm__)
/*
 * The second timer of the STM32F405, whose clock QEMU takes for 1 GHz. With -icount shift=0 an instruction takes a nanosecond,
 * so that it counts them, from reset on. A chip's timer counts cycles.
 */
#define TIMER2_COUNTER (*(volatile const uint32_t *)0x40000024)

static uint32_t now(void) {
  return TIMER2_COUNTER;
}
#elif defined(__riscv)
static uint32_t now(void) {
  uint32_t count;
  __asm__ volatile("rdinstret %0" : "=r"(count));
  return count;
}
#else
#error "nothing is known that counts this core's instructions"
#endif

static struct counts counts;
/* Of what is counted now, start or command, what does not belong to it. */
static uint32_t spent;
static uint32_t depth;
static bool is_booted;

struct span span_begin(void) {
  uint32_t arrived = now();
  struct span span = {0, depth == 0};
  depth++;
  span.begin = now();
  spent += span.begin - arrived;
  return span;
}

void span_end(struct span span, struct calls *calls) {
  uint32_t end = now();
  depth--;
  if (span.is_outermost) {
    calls->count++;
    calls->instructions += end - span.begin;
  }
  spent += now() - end;
}

bool __real_machine_start(void);
bool __wrap_machine_start(void);

/* What QEMU tells the image is long or short as files are called: no chip reads it. */
bool __wrap_machine_start(void) {
  uint32_t begin = now();
  bool is_started = __real_machine_start();
  spent += now() - begin;
  return is_started;
}

#define READY "ready\n"

void __real_host_say(const char *text);
void __wrap_host_say(const char *text);

/* Who drives the board waits for this, and what it then sends interrupts what still starts: so it is said when that is over. */
void __wrap_host_say(const char *text) {
  if (is_booted || strcmp(text, READY) != 0) __real_host_say(text);
}

void __real_card_power_on(void);
void __wrap_card_power_on(void);

void __wrap_card_power_on(void) {
  __real_card_power_on();
  if (is_booted) return;
  is_booted = true;
  counts.boot = now() - spent;
  __real_host_say(READY);
}

struct card_response __real_card_command_end(void);
struct card_response __wrap_card_command_end(void);

struct card_response __wrap_card_command_end(void) {
  depth = 0;
  spent = 0;
  uint32_t begin = now();
  struct card_response response = __real_card_command_end();
  counts.instructions += now() - begin - spent;
  counts.commands++;
  return response;
}

struct card_response __wrap_card_answer_to_reset(void);

struct card_response __wrap_card_answer_to_reset(void) {
  static uint8_t answer[1024];
  uint32_t calls_bytes = measured_calls_count * (uint32_t)sizeof(struct calls);
  if (sizeof counts + calls_bytes > sizeof answer) return (struct card_response){answer, 0};
  memcpy(answer, &counts, sizeof counts);
  memcpy(answer + sizeof counts, measured_calls, calls_bytes);
  counts = (struct counts){.boot = counts.boot};
  memset(measured_calls, 0, calls_bytes);
  return (struct card_response){answer, (uint32_t)sizeof counts + calls_bytes};
}

bool __real_board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length);
bool __wrap_board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length);

bool __wrap_board_flash_read(uint32_t element, uint32_t address, uint8_t *destination, uint32_t length) {
  uint32_t begin = now();
  counts.flash_reads++;
  counts.flash_bytes_read += length;
  spent += now() - begin;
  return __real_board_flash_read(element, address, destination, length);
}

bool __real_board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length);
bool __wrap_board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length);

bool __wrap_board_flash_program(uint32_t element, uint32_t address, const uint8_t *source, uint32_t length) {
  uint32_t begin = now();
  counts.flash_programs++;
  counts.flash_bytes_programmed += length;
  spent += now() - begin;
  return __real_board_flash_program(element, address, source, length);
}

bool __real_board_flash_erase(uint32_t element, uint32_t page);
bool __wrap_board_flash_erase(uint32_t element, uint32_t page);

bool __wrap_board_flash_erase(uint32_t element, uint32_t page) {
  uint32_t begin = now();
  counts.flash_erases++;
  spent += now() - begin;
  return __real_board_flash_erase(element, page);
}

bool __real_board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length);
bool __wrap_board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length);

bool __wrap_board_registers_save(uint32_t element, const uint8_t *registers, uint32_t length) {
  uint32_t begin = now();
  bool is_saved = __real_board_registers_save(element, registers, length);
  uint32_t end = now();
  counts.register_saves++;
  counts.register_instructions += end - begin;
  spent += now() - end;
  return is_saved;
}
