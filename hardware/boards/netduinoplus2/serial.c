/* The serial line by interrupts: QEMU's chip has no DMA controller. */

#include "boards/stm32f405/serial.h"

#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/registers.h"

#define RING_BYTES 512
#define LISTENING (1u << (USART1_IRQ - 32))

/* The interrupt moves `end`, the receiver `begin`; they are the same where nothing waits. */
static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t begin, end;

static uint32_t after(uint32_t at) {
  return (at + 1) % RING_BYTES;
}

void serial_start(void) {
  register_write(USART1_BAUD, USART_HZ / USART_BAUD);
  register_write(USART1_CONTROL, USART_ENABLE | USART_INTERRUPT);
  register_write(NVIC_ENABLE_32_TO_63, LISTENING);
}

/*
 * A full ring takes no more until there is room: QEMU waits so long. It is the core that does not listen, for QEMU's line goes on
 * asking whatever its control register says, and would be all that the core does.
 */
void serial_interrupt(void) {
  if (after(end) == begin) {
    register_write(NVIC_DISABLE_32_TO_63, LISTENING);
    return;
  }
  uint32_t status = register_read(USART1_STATUS);
  /* A byte that was lost between two looks asks again and again, until data is read. */
  if ((status & (USART_RECEIVED | USART_OVERRUN)) == 0) return;
  uint8_t byte = (uint8_t)register_read(USART1_DATA);
  if ((status & USART_RECEIVED) == 0) return;
  ring[end] = byte;
  end = after(end);
}

bool serial_waits(void) {
  return begin != end;
}

uint8_t serial_receive(void) {
  while (begin == end) {
    /* With interrupts held back none comes between the look and the sleep, and one that waits ends the sleep. */
    __asm__ volatile("cpsid i" ::: "memory");
    if (begin == end) __asm__ volatile("wfi" ::: "memory");
    __asm__ volatile("cpsie i" ::: "memory");
  }
  uint8_t byte = ring[begin];
  begin = after(begin);
  register_write(NVIC_ENABLE_32_TO_63, LISTENING);
  return byte;
}

void serial_send(uint8_t byte) {
  while ((register_read(USART1_STATUS) & USART_CAN_SEND) == 0) continue;
  register_write(USART1_DATA, byte);
}
