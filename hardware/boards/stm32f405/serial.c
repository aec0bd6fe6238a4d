#include "serial.h"

#include <stdbool.h>

#include "registers.h"

#define RING_BYTES 1024

/* The interrupt moves `end`, the receiver `begin`; they are the same where nothing waits. */
static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t begin, end;

static uint32_t after(uint32_t at) {
  return (at + 1) % RING_BYTES;
}

void serial_start(void) {
  USART1_BAUD = USART_HZ / USART_BAUD;
  USART1_CONTROL = USART_ENABLE | USART_INTERRUPT;
  NVIC_ENABLE_32_TO_63 = 1u << (USART1_IRQ - 32);
}

/* A full ring takes no more until there is room: the line's own flow control holds, where it has one. */
void serial_interrupt(void) {
  if (after(end) == begin) {
    USART1_CONTROL = USART_ENABLE;
    return;
  }
  if ((USART1_STATUS & USART_RECEIVED) == 0) return;
  ring[end] = (uint8_t)USART1_DATA;
  end = after(end);
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
  USART1_CONTROL = USART_ENABLE | USART_INTERRUPT;
  return byte;
}

void serial_send(uint8_t byte) {
  while ((USART1_STATUS & USART_CAN_SEND) == 0) continue;
  USART1_DATA = byte;
}
