/* Key slots, for the functions that use the key in one. */
#ifndef TALLYSTICK_SLOTS_H
#define TALLYSTICK_SLOTS_H

#include <stdint.h>

/* 0 when the slot holds a key of this kind, or the status to answer. */
int32_t slot_require(uint32_t slot, uint32_t kind);

/* The slot's secret, which stays where it is. The slot exists. */
const uint8_t *slot_secret(uint32_t slot);

/* The public key of a slot that holds an Ed25519 or X25519 key, made when it is first asked for. */
const uint8_t *slot_public_key(uint32_t slot);

#endif
