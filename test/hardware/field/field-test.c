/*
 * Products and squares of the field by this board's own functions (boards/stm32f405/fe25519.h) beside libsodium's, on the core: of the
 * largest and smallest elements that libsodium lets in, of those about which a carry is rounded, of sums and differences as points have
 * them, and of random ones. What functions must keep is kept, and interrupts come meanwhile. Ends QEMU with 0 where all are the same.
 */

#include "boards/stm32f405/fe25519.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boards/qemu/semihosting.h"
#include "boards/stm32f405/bus.h"
#include "boards/stm32f405/registers.h"

#define LIMBS 10
#define ROUNDS 50000
/* 1.65 x 2^26 and 1.65 x 2^25; of a product 1.01 x 2^25 and 1.01 x 2^24. */
#define LARGEST_EVEN 110729625
#define LARGEST_ODD 55364812
#define PRODUCT_EVEN 33889976
#define PRODUCT_ODD 16944988
#define GUARD 0x5a5a5a5a
#define SCRATCH_BYTES 256
/* Not a multiple of what a product takes. */
#define TICK_CYCLES 4099
#define TICKS_MIN 500

struct guarded {
  int32_t before;
  fe25519 limbs;
  int32_t after;
};

void tick(void);
void serial_interrupt(void);

static volatile uint32_t ticks;

/* Whatever lies below the stack pointer is gone after an interrupt. */
void tick(void) {
  volatile uint8_t scratch[SCRATCH_BYTES];
  for (uint32_t i = 0; i < SCRATCH_BYTES; i++) scratch[i] = 0xee;
  ticks++;
}

void serial_interrupt(void) {}

static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64*. */
static uint32_t draw(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)(state * 0x2545f4914f6cdd1du >> 32);
}

static int32_t largest_of(uint32_t limb) {
  return limb % 2 == 0 ? LARGEST_EVEN : LARGEST_ODD;
}

typedef void field_function(fe25519 h, const fe25519 f, const fe25519 g);

/* Calls it with numbers in all registers that it must keep; 0: it has kept them. */
__attribute__((naked, noinline)) static uint32_t call_kept(
    int32_t *h,
    const int32_t *f,
    const int32_t *g,
    field_function *function) {
  __asm__ volatile(
      "push {r3-r11, lr}\n"
      "mov r12, r3\n"
      "mov r4, #0x44444444\n"
      "mov r5, #0x55555555\n"
      "mov r6, #0x66666666\n"
      "mov r7, #0x77777777\n"
      "mov r8, #0x88888888\n"
      "mov r9, #0x99999999\n"
      "mov r10, #0xaaaaaaaa\n"
      "mov r11, #0xbbbbbbbb\n"
      "blx r12\n"
      "eor r0, r4, #0x44444444\n"
      "eor r1, r5, #0x55555555\n"
      "orr r0, r0, r1\n"
      "eor r1, r6, #0x66666666\n"
      "orr r0, r0, r1\n"
      "eor r1, r7, #0x77777777\n"
      "orr r0, r0, r1\n"
      "eor r1, r8, #0x88888888\n"
      "orr r0, r0, r1\n"
      "eor r1, r9, #0x99999999\n"
      "orr r0, r0, r1\n"
      "eor r1, r10, #0xaaaaaaaa\n"
      "orr r0, r0, r1\n"
      "eor r1, r11, #0xbbbbbbbb\n"
      "orr r0, r0, r1\n"
      "pop {r3-r11, pc}\n");
}

static bool is_product(const struct guarded *h, const uint8_t expected[32]) {
  uint8_t bytes[32];
  for (uint32_t i = 0; i < LIMBS; i++) {
    int32_t largest = i % 2 == 0 ? PRODUCT_EVEN : PRODUCT_ODD;
    if (h->limbs[i] > largest || h->limbs[i] < -largest) return false;
  }
  fe25519_tobytes(bytes, h->limbs);
  return h->before == GUARD && h->after == GUARD && memcmp(bytes, expected, sizeof bytes) == 0;
}

static struct guarded guarded(const fe25519 limbs) {
  struct guarded made = {.before = GUARD, .after = GUARD};
  memcpy(made.limbs, limbs, sizeof made.limbs);
  return made;
}

static void square(fe25519 h, const fe25519 f, const fe25519 unused) {
  (void)unused;
  fe25519_sq(h, f);
}

/* Into a place of its own, over either factor, and over both where they are one. */
static bool is_right(const fe25519 f, const fe25519 g) {
  fe25519 wanted;
  uint8_t expected[32];
  struct guarded first = guarded(f);
  struct guarded second = guarded(g);
  struct guarded h = guarded(f);
  memset(h.limbs, 0xa5, sizeof h.limbs);
  fe25519_mul_of_libsodium(wanted, f, g);
  fe25519_tobytes(expected, wanted);
  if (call_kept(h.limbs, first.limbs, second.limbs, fe25519_mul) != 0 || !is_product(&h, expected)) return false;
  if (memcmp(first.limbs, f, sizeof first.limbs) != 0 || memcmp(second.limbs, g, sizeof second.limbs) != 0) return false;
  fe25519_mul(first.limbs, first.limbs, second.limbs);
  if (!is_product(&first, expected) || memcmp(second.limbs, g, sizeof second.limbs) != 0) return false;
  fe25519_mul(second.limbs, f, second.limbs);
  return is_product(&second, expected) && memcmp(second.limbs, h.limbs, sizeof h.limbs) == 0;
}

static bool is_square_right(const fe25519 f) {
  fe25519 wanted;
  uint8_t expected[32];
  struct guarded root = guarded(f);
  struct guarded h = guarded(f);
  memset(h.limbs, 0xa5, sizeof h.limbs);
  fe25519_sq_of_libsodium(wanted, f);
  fe25519_tobytes(expected, wanted);
  if (call_kept(h.limbs, root.limbs, root.limbs, square) != 0 || !is_product(&h, expected)) return false;
  if (memcmp(root.limbs, f, sizeof root.limbs) != 0) return false;
  fe25519_sq(root.limbs, root.limbs);
  if (!is_product(&root, expected) || memcmp(root.limbs, h.limbs, sizeof h.limbs) != 0) return false;
  root = guarded(f);
  fe25519_mul(root.limbs, root.limbs, root.limbs);
  return is_product(&root, expected);
}

static void check(const fe25519 f, const fe25519 g) {
  if (is_right(f, g) && is_right(g, f) && is_square_right(f)) return;
  host_say("a product is wrong\n");
  host_exit(EXIT_FAILURE);
}

/* Sums are largest where all products have one sign: of each pattern of signs, with itself, its opposite, and a mixed one. */
static void check_signs(void) {
  for (uint32_t pattern = 0; pattern < 1u << LIMBS; pattern++) {
    fe25519 f, g, opposite;
    for (uint32_t i = 0; i < LIMBS; i++) {
      f[i] = (pattern >> i & 1) != 0 ? -largest_of(i) : largest_of(i);
      opposite[i] = -f[i];
      g[i] = (pattern * 5 >> i & 1) != 0 ? f[i] : -f[LIMBS - 1 - i] / 2;
    }
    check(f, f);
    check(f, opposite);
    check(f, g);
  }
}

/* All limbs alike, the even and odd ones: zero, one, about the halves at which carries are rounded, about what carries keep, the bounds. */
static void check_edges(void) {
  static const int32_t evens[] = {0,          1,         -1,        0x1ffffff,    0x2000000,    -0x2000000,
                                  -0x2000001, 0x3ffffff, 0x4000000, LARGEST_EVEN, -LARGEST_EVEN};
  static const int32_t odds[] = {0,          1,          -1,        0xffffff,    0x1000000,
                                 -0x1000000, -0x1000001, 0x1ffffff, LARGEST_ODD, -LARGEST_ODD};
  enum { EVENS = sizeof evens / sizeof evens[0], ODDS = sizeof odds / sizeof odds[0], EDGES = EVENS * ODDS };
  for (uint32_t one = 0; one < EDGES; one++) {
    for (uint32_t other = one; other < EDGES; other += 7) {
      fe25519 f, g;
      for (uint32_t i = 0; i < LIMBS; i++) {
        f[i] = i % 2 == 0 ? evens[one % EVENS] : odds[one / EVENS];
        g[i] = i % 2 == 0 ? evens[other % EVENS] : odds[other / EVENS];
      }
      check(f, g);
      /* One limb alone, among zeros. */
      memset(g, 0, sizeof g);
      g[one % LIMBS] = other % LIMBS % 2 == 0 ? largest_of(one % LIMBS) : -largest_of(one % LIMBS);
      check(f, g);
    }
  }
}

static void draw_element(fe25519 f) {
  static const int32_t ends[] = {-1, 0, 1};
  bool is_extreme = draw() % 3 == 0;
  for (uint32_t i = 0; i < LIMBS; i++) {
    int32_t largest = largest_of(i);
    uint32_t among = (uint32_t)(2 * largest) + 1;
    f[i] = is_extreme ? largest * ends[draw() % 3] : (int32_t)(draw() % among) - largest;
  }
}

static void check_random(void) {
  for (uint32_t i = 0; i < ROUNDS; i++) {
    fe25519 f, g;
    draw_element(f);
    draw_element(g);
    check(f, g);
  }
}

/* As sums of points have them: of products, sums and differences; of these one with a product once more. */
static void check_chain(void) {
  fe25519 a, b, sum, difference, twice;
  draw_element(a);
  draw_element(b);
  for (uint32_t i = 0; i < ROUNDS; i++) {
    fe25519_mul(a, a, b);
    fe25519_sq(b, b);
    fe25519_add(sum, a, b);
    fe25519_sub(difference, a, b);
    fe25519_sub(twice, i % 2 == 0 ? sum : difference, a);
    check(sum, difference);
    check(twice, sum);
    fe25519_copy(b, difference);
  }
}

int main(void) {
  register_write(SYSTICK_RELOAD, TICK_CYCLES - 1);
  register_write(SYSTICK_VALUE, 0);
  register_write(SYSTICK_CONTROL, SYSTICK_ENABLE);
  check_signs();
  check_edges();
  check_random();
  check_chain();
  if (ticks < TICKS_MIN) {
    host_say("no interrupts came\n");
    host_exit(EXIT_FAILURE);
  }
  host_say("products are right\n");
  host_exit(EXIT_SUCCESS);
}
