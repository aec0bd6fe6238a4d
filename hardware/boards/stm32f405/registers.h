/* Registers of the STM32F405 (RM0090) and its core (ARMv7-M) that this board uses. */
#ifndef TALLYSTICK_REGISTERS_H
#define TALLYSTICK_REGISTERS_H

#include <stdint.h>

#define REGISTER(ADDRESS) (*(volatile uint32_t *)(ADDRESS))

/* The core runs at this from the start in QEMU; on the chip the clock tree has to be set up first. */
#define CORE_HZ 168000000u

#define SYSTICK_CONTROL REGISTER(0xe000e010)
#define SYSTICK_RELOAD REGISTER(0xe000e014)
#define SYSTICK_VALUE REGISTER(0xe000e018)
#define SYSTICK_ENABLE 0x7u /* counter, interrupt, core clock */

#define SCB_AIRCR REGISTER(0xe000ed0c)
#define AIRCR_KEY 0x05fa0000u
#define AIRCR_RESET 0x4u

#define NVIC_ENABLE_32_TO_63 REGISTER(0xe000e104)

#define USART1_STATUS REGISTER(0x40011000)
#define USART1_DATA REGISTER(0x40011004)
#define USART1_BAUD REGISTER(0x40011008)
#define USART1_CONTROL REGISTER(0x4001100c)
#define USART_RECEIVED 0x20u
#define USART_CAN_SEND 0x80u
#define USART_ENABLE 0x200cu /* itself, transmitter, receiver */
#define USART_INTERRUPT 0x20u /* when a byte was received */
#define USART1_IRQ 37
#define USART_BAUD 115200u
#define USART_HZ 84000000u

#endif
