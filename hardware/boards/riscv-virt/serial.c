#include "serial.h"

#include "registers.h"

/* The least. QEMU sends at once whatever it is, but by it knows for how long nothing has to come before it says so. */
#define UART_DIVISOR 1

/* The interrupt wakes the core and is not taken: mstatus.MIE stays off, as reset leaves it. */
void serial_start(void) {
  UART_LINE = UART_LINE_8N1 | UART_LINE_DIVISOR;
  UART_DATA = UART_DIVISOR;
  UART_INTERRUPTS = 0;
  UART_LINE = UART_LINE_8N1;
  UART_FIFO = UART_FIFO_ENABLE;
  UART_INTERRUPTS = UART_INTERRUPT_RECEIVED;
  PLIC_PRIORITY(UART_IRQ) = 1;
  PLIC_THRESHOLD = 0;
  PLIC_ENABLE_0_TO_31 = 1u << UART_IRQ;
  CSR_WRITE(mie, MIE_EXTERNAL);
}

bool serial_has_byte(void) {
  return (UART_STATUS & UART_RECEIVED) != 0;
}

uint8_t serial_receive(void) {
  while (!serial_has_byte()) {
    /* A byte that came since the look has made the interrupt pending, and then there is no sleep. */
    __asm__ volatile("wfi" ::: "memory");
    uint32_t claimed = PLIC_CLAIM;
    if (claimed != 0) PLIC_CLAIM = claimed;
  }
  return UART_DATA;
}

void serial_send(uint8_t byte) {
  while ((UART_STATUS & UART_CAN_SEND) == 0) continue;
  UART_DATA = byte;
}
