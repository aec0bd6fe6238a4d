#include "pins.h"

#include "bus.h"
#include "registers.h"

#define SENDS 9u
#define RECEIVES 10u
#define MODE_BITS 2u
#define MODE_MASK 3u
#define MODE_ALTERNATE 2u
#define PULL_UP 1u
#define USART1_FUNCTION 7u
#define FUNCTION_BITS 4u
/* AFRH begins with pin 8. */
#define FUNCTION_AT(PIN) (FUNCTION_BITS * ((PIN) - 8u))

static void choose(uint32_t address, uint32_t pin, uint32_t value) {
  register_clear(address, MODE_MASK << MODE_BITS * pin);
  register_set(address, value << MODE_BITS * pin);
}

void pins_start(void) {
  bus_clock_on(RCC_AHB1ENR, RCC_AHB1ENR_GPIOA);
  bus_clock_on(RCC_APB2ENR, RCC_APB2ENR_USART1);
  register_set(GPIOA_AFRH, USART1_FUNCTION << FUNCTION_AT(SENDS) | USART1_FUNCTION << FUNCTION_AT(RECEIVES));
  /* A line that nothing is plugged into is quiet. */
  choose(GPIOA_PUPDR, RECEIVES, PULL_UP);
  choose(GPIOA_MODER, SENDS, MODE_ALTERNATE);
  choose(GPIOA_MODER, RECEIVES, MODE_ALTERNATE);
}
