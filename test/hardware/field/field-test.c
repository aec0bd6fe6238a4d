/*
 * Products and squares of the field by this board's own functions (boards/stm32f405/fe25519.h) beside libsodium's, on the core: of random
 * elements, and of the largest and smallest that libsodium lets in. Ends QEMU with 0 where all are the same.
 */

#include "boards/stm32f405/fe25519.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boards/qemu/semihosting.h"

#define LIMBS 10
#define ROUNDS 40000
/* 1.65 x 2^26 and 1.65 x 2^25; of a product 1.01 x 2^25 and 1.01 x 2^24. */
#define LARGEST_EVEN 110729625
#define LARGEST_ODD 55364812
#define PRODUCT_EVEN 33889976
#define PRODUCT_ODD 16944988

void tick(void);

void tick(void) {}

static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64*. */
static uint32_t draw(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)(state * 0x2545f4914f6cdd1du >> 32);
}

static void draw_element(fe25519 f) {
  bool is_extreme = draw() % 2 == 0;
  for (uint32_t i = 0; i < LIMBS; i++) {
    int32_t largest = i % 2 == 0 ? LARGEST_EVEN : LARGEST_ODD;
    uint32_t among = (uint32_t)(2 * largest) + 1;
    static const int32_t ends[] = {-1, 0, 1};
    f[i] = is_extreme ? largest * ends[draw() % 3] : (int32_t)(draw() % among) - largest;
  }
}

static bool is_product(const fe25519 h, const uint8_t expected[32]) {
  uint8_t bytes[32];
  for (uint32_t i = 0; i < LIMBS; i++) {
    int32_t largest = i % 2 == 0 ? PRODUCT_EVEN : PRODUCT_ODD;
    if (h[i] > largest || h[i] < -largest) return false;
  }
  fe25519_tobytes(bytes, h);
  return memcmp(bytes, expected, sizeof bytes) == 0;
}

/* Into a place of its own, and over either factor. */
static bool is_right(const fe25519 f, const fe25519 g) {
  fe25519 h, over_f, over_g;
  uint8_t expected[32];
  fe25519_mul_of_libsodium(h, f, g);
  fe25519_tobytes(expected, h);
  memset(h, 0xa5, sizeof h);
  memcpy(over_f, f, sizeof over_f);
  memcpy(over_g, g, sizeof over_g);
  fe25519_mul(h, f, g);
  fe25519_mul(over_f, over_f, g);
  fe25519_mul(over_g, f, over_g);
  return is_product(h, expected) && memcmp(over_f, h, sizeof h) == 0 && memcmp(over_g, h, sizeof h) == 0;
}

static bool is_square_right(const fe25519 f) {
  fe25519 h, over_f;
  uint8_t expected[32];
  fe25519_sq_of_libsodium(h, f);
  fe25519_tobytes(expected, h);
  memset(h, 0xa5, sizeof h);
  memcpy(over_f, f, sizeof over_f);
  fe25519_sq(h, f);
  fe25519_sq(over_f, over_f);
  return is_product(h, expected) && memcmp(over_f, h, sizeof h) == 0;
}

int main(void) {
  for (uint32_t i = 0; i < ROUNDS; i++) {
    fe25519 f, g;
    draw_element(f);
    draw_element(g);
    if (is_right(f, g) && is_right(f, f) && is_square_right(f)) continue;
    host_say("a product is wrong\n");
    host_exit(EXIT_FAILURE);
  }
  host_say("products are right\n");
  host_exit(EXIT_SUCCESS);
}
