/* Devices of QEMU's machine `virt` that this board uses, by their addresses, and what it asks of its core. */
#ifndef TALLYSTICK_REGISTERS_H
#define TALLYSTICK_REGISTERS_H

#include <stdint.h>

#define REGISTER(ADDRESS) (*(volatile uint32_t *)(ADDRESS))
#define REGISTER_BYTE(ADDRESS) (*(volatile uint8_t *)(ADDRESS))

/* CLINT: the clock that does not stop, two words. */
#define MTIME_LOW REGISTER(0x0200bff8)
#define MTIME_HIGH REGISTER(0x0200bffc)
#define MTIME_HZ 10000000u

/* PLIC: which interrupts reach the core in machine mode. */
#define PLIC_PRIORITY(NUMBER) REGISTER(0x0c000000u + 4u * (NUMBER))
#define PLIC_ENABLE_0_TO_31 REGISTER(0x0c002000)
#define PLIC_THRESHOLD REGISTER(0x0c200000)
#define PLIC_CLAIM REGISTER(0x0c200004)

/* The serial line, a 16550. */
#define UART_DATA REGISTER_BYTE(0x10000000)
#define UART_INTERRUPTS REGISTER_BYTE(0x10000001)
#define UART_FIFO REGISTER_BYTE(0x10000002)
#define UART_LINE REGISTER_BYTE(0x10000003)
#define UART_STATUS REGISTER_BYTE(0x10000005)
#define UART_INTERRUPT_RECEIVED 0x01u
#define UART_FIFO_ENABLE 0xc7u /* itself, both of them empty; an interrupt at 14 bytes, or when no more come */
#define UART_LINE_8N1 0x03u
#define UART_LINE_DIVISOR 0x80u /* data and interrupts become the divisor's two bytes */
#define UART_RECEIVED 0x01u
#define UART_CAN_SEND 0x20u
#define UART_IRQ 10u

/* CFI: the second of the two flashes, which QEMU keeps in a file. */
#define FLASH_BASE 0x22000000u

/* mie: interrupts from the PLIC. Only what is enabled here ends a sleep. */
#define MIE_EXTERNAL 0x800u

/* The rules of physical memory protection, of which this board needs one: an area of a power of two. */
#define PMP_READ 0x01u
#define PMP_EXECUTE 0x04u
#define PMP_AREA 0x18u
#define PMP_LOCKED 0x80u /* for machine mode too, until reset */

#define CSR_WRITE(NAME, VALUE)                                                                        \
  __asm__ volatile(".option push\n.option arch, +zicsr\ncsrw " #NAME ", %0\n.option pop" : : "r"(VALUE) : "memory")

#endif
