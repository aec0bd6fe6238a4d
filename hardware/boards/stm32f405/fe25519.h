/*
 * Put in front of libsodium's files (-include): products modulo 2^255 - 19 by this board's own function. The compiler's needs half as
 * many instructions again, and nine tenths of a payment's are in such products. Everything else of the field stays libsodium's.
 */
#ifndef TALLYSTICK_FE25519_H
#define TALLYSTICK_FE25519_H

#define fe25519_mul fe25519_mul_of_libsodium
#include "private/ed25519_ref10.h"
#undef fe25519_mul

/* h = f * g, with what libsodium's own demands of f and g and promises of h. h may be f or g. */
void fe25519_mul(fe25519 h, const fe25519 f, const fe25519 g);

#endif
