/* Public keys of secrets: what slots need of the cryptography beside the interface itself. */
#ifndef TALLYSTICK_CRYPTOGRAPHY_H
#define TALLYSTICK_CRYPTOGRAPHY_H

#include <stdint.h>

#include "platform.generated.h"

void cryptography_ed25519_public(const uint8_t seed[TALLYSTICK_KEY_BYTES], uint8_t public_key[TALLYSTICK_KEY_BYTES]);
void cryptography_x25519_public(const uint8_t secret[TALLYSTICK_KEY_BYTES], uint8_t public_key[TALLYSTICK_KEY_BYTES]);

#endif
