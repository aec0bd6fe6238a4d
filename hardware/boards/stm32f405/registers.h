/* Addresses of registers of the STM32F405 (RM0090) and its core (ARMv7-M) that this board uses, and what is written to them. */
#ifndef TALLYSTICK_REGISTERS_H
#define TALLYSTICK_REGISTERS_H

/* The core runs at this from the start in QEMU; on the chip clock.c sets up the clock tree first. */
#define CORE_HZ 168000000u
#define USART_HZ 84000000u
#define TIMER_HZ 84000000u

#define SYSTICK_CONTROL 0xe000e010u
#define SYSTICK_RELOAD 0xe000e014u
#define SYSTICK_VALUE 0xe000e018u
#define SYSTICK_ENABLE 0x7u /* counter, interrupt, core clock */

#define SCB_AIRCR 0xe000ed0cu
#define AIRCR_KEY 0x05fa0000u
#define AIRCR_RESET 0x4u

#define NVIC_ENABLE_32_TO_63 0xe000e104u
#define NVIC_DISABLE_32_TO_63 0xe000e184u

#define USART1_STATUS 0x40011000u
#define USART1_DATA 0x40011004u
#define USART1_BAUD 0x40011008u
#define USART1_CONTROL 0x4001100cu
#define USART1_CONTROL_3 0x40011014u
#define USART_DMA_RECEIVES 0x40u
#define USART_OVERRUN 0x8u
#define USART_RECEIVED 0x20u
#define USART_CAN_SEND 0x80u
#define USART_ENABLE 0x200cu /* itself, transmitter, receiver */
#define USART_INTERRUPT 0x20u /* when a byte was received */
#define USART1_IRQ 37
#define USART_BAUD 115200u

/* Reset and clock control. */
#define RCC_CR 0x40023800u
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR 0x40023804u
#define RCC_PLLCFGR_N_AT 6
#define RCC_PLLCFGR_P_AT 16
#define RCC_PLLCFGR_HSE (1u << 22)
#define RCC_PLLCFGR_Q_AT 24
#define RCC_CFGR 0x40023808u
#define RCC_CFGR_SW_PLL 0x2u
#define RCC_CFGR_SW_MASK 0x3u
#define RCC_CFGR_SWS_PLL 0x8u
#define RCC_CFGR_SWS_MASK 0xcu
#define RCC_CFGR_APB1_BY_4 (5u << 10)
#define RCC_CFGR_APB2_BY_2 (4u << 13)
#define RCC_AHB1ENR 0x40023830u
#define RCC_AHB1ENR_GPIOA (1u << 0)
#define RCC_AHB1ENR_DMA2 (1u << 22)
#define RCC_AHB2ENR 0x40023834u
#define RCC_AHB2ENR_RNG (1u << 6)
#define RCC_APB1ENR 0x40023840u
#define RCC_APB1ENR_TIM2 (1u << 0)
#define RCC_APB1ENR_PWR (1u << 28)
#define RCC_APB2ENR 0x40023844u
#define RCC_APB2ENR_USART1 (1u << 4)

#define PWR_CR 0x40007000u
#define PWR_CR_VOS (1u << 14) /* scale 1: for more than 144 MHz */

#define GPIOA_MODER 0x40020000u
#define GPIOA_PUPDR 0x4002000cu
#define GPIOA_AFRH 0x40020024u

/* DMA controller 2, whose stream 2 is USART1's receiver on channel 4. */
#define DMA2_LIFCR 0x40026408u
#define DMA2_LIFCR_STREAM_2 (0x3du << 16)
#define DMA2_S2CR 0x40026440u
#define DMA2_CR_EN 1u
#define DMA2_USART1_TO_RING (4u << 25 | 2u << 16 | 1u << 10 | 1u << 8) /* channel, priority; bytes, upwards, in a circle */
#define DMA2_S2NDTR 0x40026444u
#define DMA2_S2PAR 0x40026448u
#define DMA2_S2M0AR 0x4002644cu

#define TIM2_CR1 0x40000000u
#define TIM2_CR1_CEN 0x1u
#define TIM2_EGR 0x40000014u
#define TIM2_EGR_UG 0x1u
#define TIM2_CNT 0x40000024u
#define TIM2_PSC 0x40000028u

/* Embedded flash memory interface. */
#define FLASH_ACR 0x40023c00u
#define FLASH_ACR_LATENCY 5u /* wait states at 168 MHz, 2.7 to 3.6 V */
#define FLASH_ACR_LATENCY_MASK 0x7u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_ICRST (1u << 11)
#define FLASH_ACR_DCRST (1u << 12)
#define FLASH_KEYR 0x40023c04u
#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xcdef89abu
#define FLASH_SR 0x40023c0cu
#define FLASH_SR_EOP (1u << 0)
#define FLASH_SR_OPERR (1u << 1)
#define FLASH_SR_WRPERR (1u << 4)
#define FLASH_SR_PGAERR (1u << 5)
#define FLASH_SR_PGPERR (1u << 6)
#define FLASH_SR_PGSERR (1u << 7)
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR 0x40023c10u
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_SER (1u << 1)
#define FLASH_CR_SNB_AT 3
#define FLASH_CR_SNB_MASK (0xfu << 3)
#define FLASH_CR_PSIZE_MASK (3u << 8)
#define FLASH_CR_PSIZE_32 (2u << 8)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)

/* Random number generator. */
#define RNG_CR 0x50060800u
#define RNG_CR_RNGEN (1u << 2)
#define RNG_SR 0x50060804u
#define RNG_SR_DRDY (1u << 0)
#define RNG_SR_CECS (1u << 1)
#define RNG_SR_SECS (1u << 2)
#define RNG_SR_CEIS (1u << 5)
#define RNG_SR_SEIS (1u << 6)
#define RNG_DR 0x50060808u

#endif
