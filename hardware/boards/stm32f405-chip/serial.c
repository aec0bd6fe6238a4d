/*
 * The serial line, received by the DMA controller: it goes on while the core stands still, as it does for one or two seconds when a
 * sector of flash is erased. The core looks for what came each millisecond.
 */

#include "boards/stm32f405/serial.h"

#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/registers.h"

/* More than the longest command in its frame has, unless a quarter of it is escaped: nobody sends another before the answer. */
#define RING_BYTES 8192u
#define TICKS_PER_S 1000u

static volatile uint8_t ring[RING_BYTES];
/* Of the byte that is received next. */
static uint32_t begin;

void tick(void);

/* It only ends the sleep. */
void tick(void) {}

/* Not enabled. */
void serial_interrupt(void) {}

void serial_start(void) {
  bus_clock_on(RCC_AHB1ENR, RCC_AHB1ENR_DMA2);
  register_write(DMA2_LIFCR, DMA2_LIFCR_STREAM_2);
  register_write(DMA2_S2PAR, USART1_DATA);
  register_write(DMA2_S2M0AR, bus_address(ring));
  register_write(DMA2_S2NDTR, RING_BYTES);
  register_write(DMA2_S2CR, DMA2_USART1_TO_RING);
  register_write(DMA2_S2CR, DMA2_USART1_TO_RING | DMA2_CR_EN);
  begin = 0;
  register_write(USART1_BAUD, USART_HZ / USART_BAUD);
  register_write(USART1_CONTROL_3, USART_DMA_RECEIVES);
  register_write(USART1_CONTROL, USART_ENABLE);
  register_write(SYSTICK_RELOAD, CORE_HZ / TICKS_PER_S - 1);
  register_write(SYSTICK_VALUE, 0);
  register_write(SYSTICK_CONTROL, SYSTICK_ENABLE);
}

/* The controller counts down to the end of the ring, and begins anew. */
bool serial_waits(void) {
  return (RING_BYTES - register_read(DMA2_S2NDTR)) % RING_BYTES != begin;
}

uint8_t serial_receive(void) {
  while (!serial_waits()) bus_sleep();
  uint8_t byte = ring[begin];
  begin = (begin + 1) % RING_BYTES;
  return byte;
}

void serial_send(uint8_t byte) {
  while ((register_read(USART1_STATUS) & USART_CAN_SEND) == 0) continue;
  register_write(USART1_DATA, byte);
}
