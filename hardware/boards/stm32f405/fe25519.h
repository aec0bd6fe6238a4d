/*
 * Put in front of libsodium's files (-include): products and squares modulo 2^255 - 19 by this board's own functions. The
 * compiler's need half as many instructions again, and nine tenths of a payment's are in them. Everything else of the field stays
 * libsodium's.
 */
#ifndef TALLYSTICK_FE25519_H
#define TALLYSTICK_FE25519_H

#define fe25519_mul fe25519_mul_of_libsodium
#define fe25519_sq fe25519_sq_of_libsodium
#include "private/ed25519_ref10.h"
#undef fe25519_mul
#undef fe25519_sq

_Static_assert(sizeof(fe25519) == 10 * sizeof(int32_t), "ten limbs; libsodium has another representation for 64 bits");

/* h = f * g and h = f * f, with what libsodium's own demand of f and g and promise of h. h may be f or g. */
void fe25519_mul(fe25519 h, const fe25519 f, const fe25519 g);
void fe25519_sq(fe25519 h, const fe25519 f);

#endif
