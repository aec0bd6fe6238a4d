/* From reset to main: the stack's paint, memory as C expects it, an image that nothing writes. A trap ends QEMU. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "boards/qemu/semihosting.h"
#include "registers.h"

/* What of the stack was never used reads this: a debugger sees how deep it went. */
#define STACK_PAINT 0xa5a5a5a5u
#define HEX_DIGITS 8

extern uint32_t stack_bottom[], stack_top[], data_image[], data_start[], data_end[], bss_start[], bss_end[];
extern uint8_t image_start[], image_end[];

int main(void);
void start(void);
void begin(void);
void trapped(uint32_t cause, uint32_t at, uint32_t address);
void trap(void);

/* QEMU begins at the image's first byte, in machine mode, without a stack. */
__attribute__((section(".start"), naked, used)) void start(void) {
  __asm__ volatile(
      "la sp, stack_top\n"
      "tail begin\n");
}

/* The stack may be what is wrong: this begins a new one, and does not come back. No interrupt is ever taken. */
__attribute__((naked, aligned(4))) void trap(void) {
  __asm__ volatile(
      ".option push\n"
      ".option arch, +zicsr\n"
      "la sp, stack_top\n"
      "csrr a0, mcause\n"
      "csrr a1, mepc\n"
      "csrr a2, mtval\n"
      "tail trapped\n"
      ".option pop\n");
}

static void say_number(const char *name, uint32_t value) {
  char digits[HEX_DIGITS + 1] = {0};
  for (unsigned i = 0; i < HEX_DIGITS; i++) digits[i] = "0123456789abcdef"[value >> (4 * (HEX_DIGITS - 1 - i)) & 0xf];
  host_say(name);
  host_say(digits);
}

__attribute__((used)) void trapped(uint32_t cause, uint32_t at, uint32_t address) {
  say_number("trap: cause ", cause);
  say_number(" at ", at);
  say_number(", address ", address);
  host_say("\n");
  host_exit(EXIT_FAILURE);
}

static void fill(uint32_t *from, const uint32_t *to, uint32_t value) {
  while (from < to) *from++ = value;
}

/*
 * The image lies in RAM, below the stack. Without this rule a stack that grows too large would overwrite it; with it, that is a
 * trap.
 */
static void protect_image(void) {
  uintptr_t area = ((uintptr_t)image_start | ((uintptr_t)(image_end - image_start) / 2 - 1)) >> 2;
  CSR_WRITE(pmpaddr0, area);
  CSR_WRITE(pmpcfg0, PMP_READ | PMP_EXECUTE | PMP_AREA | PMP_LOCKED);
}

__attribute__((used)) void begin(void) {
  CSR_WRITE(mtvec, (uintptr_t)trap);
  /* Of the stack, what lies below this function's own part. */
  fill(stack_bottom, (uint32_t *)__builtin_frame_address(0) - 64, STACK_PAINT);
  fill(bss_start, bss_end, 0);
  for (size_t i = 0; data_start + i < data_end; i++) data_start[i] = data_image[i];
  protect_image();
  (void)main();
  host_say("the stream has ended\n");
  host_exit(EXIT_FAILURE);
}
