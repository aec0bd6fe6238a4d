/*
 * Registers at rest. Sealed, they are encrypted (ChaCha20-Poly1305) with a key that the HMAC peripheral makes of an eFuse block that
 * software cannot read: whoever reads the flash without the chip learns no key.
 *
 *   sealed = [ nonce (12), random | copy, encrypted | tag (16) ], the element's number authenticated
 *
 * Otherwise they are kept as they are.
 */
#ifndef TALLYSTICK_SEAL_H
#define TALLYSTICK_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "boards/common/copies.h"
#include "sdkconfig.h"

#if CONFIG_TALLYSTICK_SEALED
#define SEAL_NONCE_BYTES 12
#define SEAL_TAG_BYTES 16
#else
#define SEAL_NONCE_BYTES 0
#define SEAL_TAG_BYTES 0
#endif

#define SEALED_BYTES (SEAL_NONCE_BYTES + COPY_BYTES + SEAL_TAG_BYTES)

bool seal(uint32_t element, const uint8_t copy[COPY_BYTES], uint8_t sealed[SEALED_BYTES]);

/* What was never written gives a copy of FF; what was damaged, or sealed on another chip, one of zeros, which no hash fits. */
bool unseal(uint32_t element, const uint8_t sealed[SEALED_BYTES], uint8_t copy[COPY_BYTES]);

#endif
