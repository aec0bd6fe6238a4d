/* From reset to main: vectors, the stack's paint, memory as C expects it. Faults and what nobody asked for reset the chip. */

#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "registers.h"
#include "serial.h"

/* What of the stack was never used reads this: a debugger sees how deep it went. */
#define STACK_PAINT 0xa5a5a5a5u
#define EXCEPTIONS 16

extern uint32_t stack_bottom[], stack_top[], data_image[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void reset(void);
void tick(void);

static _Noreturn void fault(void) {
  register_write(SCB_AIRCR, AIRCR_KEY | AIRCR_RESET);
  for (;;) continue;
}

static void fill(uint32_t *from, const uint32_t *to, uint32_t value) {
  while (from < to) *from++ = value;
}

void reset(void) {
  /* Of the stack, what lies below this function's own part. */
  fill(stack_bottom, (uint32_t *)__builtin_frame_address(0) - 64, STACK_PAINT);
  fill(bss_start, bss_end, 0);
  for (size_t i = 0; data_start + i < data_end; i++) data_start[i] = data_image[i];
  (void)main();
  fault();
}

/* The stack's first address, then the exceptions by number, and the one interrupt that is enabled. */
__attribute__((section(".vectors"), used)) static void (*const vectors[EXCEPTIONS + USART1_IRQ + 1])(void) = {
    (void (*)(void))stack_top,
    reset,
    fault, /* NMI */
    fault, /* hard fault */
    fault, /* memory management */
    fault, /* bus fault */
    fault, /* usage fault */
    NULL,  NULL, NULL, NULL,
    fault, /* SVCall */
    fault, /* debug monitor */
    NULL,
    fault, /* PendSV */
    tick,  /* SysTick */
    [EXCEPTIONS + USART1_IRQ] = serial_interrupt,
};
