/* Generated from firmware/platform/interface.ts by `npm run generate`: do not edit. */
#ifndef TALLYSTICK_PLATFORM_H
#define TALLYSTICK_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#define TALLYSTICK_MODULE "tallystick"

#define TALLYSTICK_INVALID_ARGUMENT (-1) /* an address, length, page, slot or kind that the platform does not have */
#define TALLYSTICK_NOT_SUPPORTED (-2) /* this chip does not have the function */
#define TALLYSTICK_FLASH_FAILURE (-3) /* the flash did not take a program or erase operation */
#define TALLYSTICK_SLOT_EMPTY (-4) /* the key slot holds no key */
#define TALLYSTICK_WRONG_KIND (-5) /* the key slot holds a key of another kind */
#define TALLYSTICK_BAD_SIGNATURE (-6) /* the signature does not verify under the one strict rule */
#define TALLYSTICK_BAD_KEY (-7) /* a public key that is not canonical, or of small order */
#define TALLYSTICK_BAD_TAG (-8) /* the ciphertext does not authenticate; nothing was decrypted */
#define TALLYSTICK_RANDOM_FAILURE (-9) /* the random source failed its own test */
#define TALLYSTICK_COUNTER_EXHAUSTED (-10) /* the monotonic counter has reached its end */
#define TALLYSTICK_KEY_KIND_EMPTY (0) /* no key */
#define TALLYSTICK_KEY_KIND_ED25519 (1) /* a signature key pair */
#define TALLYSTICK_KEY_KIND_X25519 (2) /* a key agreement key pair */
#define TALLYSTICK_KEY_KIND_SECRET (3) /* 32 secret bytes, for derivation only */
#define TALLYSTICK_KEY_BYTES (32) /* public keys, shared secrets, symmetric keys */
#define TALLYSTICK_SIGNATURE_BYTES (64) /* Ed25519 signature */
#define TALLYSTICK_HASH_BYTES (32) /* SHA-256 */
#define TALLYSTICK_NONCE_BYTES (12) /* ChaCha20-Poly1305 nonce */
#define TALLYSTICK_TAG_BYTES (16) /* ChaCha20-Poly1305 tag */
#define TALLYSTICK_SLOTS_PERSISTENT (16) /* slots 0 to 15 keep their keys without power; a write is atomic */
#define TALLYSTICK_SLOTS_VOLATILE (8) /* slots 16 to 23 are empty after power-up */

/**
 * Bytes of an erase page; the same for every page, a power of two, at least 4096.
 * @return bytes
 */
int32_t tallystick_flash_page_size(void);

/**
 * Pages of this applet's flash region.
 * @return pages
 */
int32_t tallystick_flash_page_count(void);

/**
 * Bytes that are programmed at once: a power of two from 1 to 32.
 * @return bytes
 */
int32_t tallystick_flash_word_size(void);

/**
 * Reads any bytes of the region, across pages too. Erased flash reads 0xFF.
 * @param address first byte, from the start of the region
 * @param destination where to
 * @return 0
 */
int32_t tallystick_flash_read(uint32_t address, uint8_t *destination, uint32_t destination_length);

/**
 * Clears bits. Address and length are multiples of the word size, within one page, and every word is erased: a word is
 * programmed once between two erasures. What breaks this is FlashFailure. A power cut leaves any subset of the bits
 * cleared.
 * @param address first byte, from the start of the region
 * @param source the bytes to program
 * @return 0
 */
int32_t tallystick_flash_program(uint32_t address, const uint8_t *source, uint32_t source_length);

/**
 * Sets every bit of a page. A power cut leaves any subset of the cleared bits set.
 * @param page page, from 0
 * @return 0
 */
int32_t tallystick_flash_erase(uint32_t page);

/**
 * Fills a buffer with random bytes fit for keys.
 * @param destination where to
 * @return 0
 */
int32_t tallystick_random_bytes(uint8_t *destination, uint32_t destination_length);

/**
 * Seconds since power-up, by the chip's own tick; never goes back while there is power.
 * @return seconds
 */
int32_t tallystick_clock_seconds(void);

/**
 * The monotonic counter of this applet. A chip without one answers NotSupported.
 * @return value
 */
int32_t tallystick_counter_read(void);

/**
 * Adds one, for ever.
 * @return the new value
 */
int32_t tallystick_counter_increment(void);

/**
 * What a slot holds.
 * @param slot key slot
 * @return a key kind, 0 for an empty slot
 */
int32_t tallystick_slot_kind(uint32_t slot);

/**
 * Makes a new random key in a slot; what the slot held is gone.
 * @param slot key slot
 * @param kind Ed25519, X25519 or Secret
 * @return 0
 */
int32_t tallystick_slot_generate(uint32_t slot, uint32_t kind);

/**
 * Puts 32 secret bytes into a slot, kind Secret; what the slot held is gone.
 * @param slot key slot
 * @param secret the secret (32 bytes)
 * @return 0
 */
int32_t tallystick_slot_put(uint32_t slot, const uint8_t *secret, uint32_t secret_length);

/**
 * Wipes a slot; an empty slot stays empty.
 * @param slot key slot
 * @return 0
 */
int32_t tallystick_slot_erase(uint32_t slot);

/**
 * The public key of an Ed25519 or X25519 slot.
 * @param slot key slot
 * @param destination public key (32 bytes)
 * @return 0
 */
int32_t tallystick_slot_public(uint32_t slot, uint8_t *destination, uint32_t destination_length);

/**
 * HKDF-SHA256 (RFC 5869) with the slot's secret as input key material and an empty salt.
 * @param slot key slot
 * @param info context
 * @param destination derived bytes, at most 255 x 32
 * @return 0
 */
int32_t tallystick_slot_derive(
    uint32_t slot,
    const uint8_t *info,
    uint32_t info_length,
    uint8_t *destination,
    uint32_t destination_length);

/**
 * Ed25519 (RFC 8032) by the key in a slot. Message and signature that overlap are InvalidArgument.
 * @param slot key slot
 * @param message the message
 * @param signature signature (64 bytes)
 * @return 0
 */
int32_t tallystick_ed25519_sign(
    uint32_t slot,
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *signature,
    uint32_t signature_length);

/**
 * The one strict rule: S < L, canonical encodings, no small-order public key or R, equation without cofactor.
 * @param public_key public key (32 bytes)
 * @param message the message
 * @param signature signature (64 bytes)
 * @return 0, or BadSignature
 */
int32_t tallystick_ed25519_verify(
    const uint8_t *public_key,
    uint32_t public_key_length,
    const uint8_t *message,
    uint32_t message_length,
    const uint8_t *signature,
    uint32_t signature_length);

/**
 * X25519 (RFC 7748) between the key in a slot and a public key; an all-zero result is BadKey.
 * @param slot key slot
 * @param public_key the other party's public key (32 bytes)
 * @param destination shared secret (32 bytes)
 * @return 0, or BadKey
 */
int32_t tallystick_x25519_agree(
    uint32_t slot,
    const uint8_t *public_key,
    uint32_t public_key_length,
    uint8_t *destination,
    uint32_t destination_length);

/**
 * SHA-256 (FIPS 180-4).
 * @param message the message
 * @param destination hash (32 bytes)
 * @return 0
 */
int32_t tallystick_sha256(
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *destination,
    uint32_t destination_length);

/**
 * HMAC-SHA256 (RFC 2104).
 * @param key key of any length
 * @param message the message
 * @param destination tag (32 bytes)
 * @return 0
 */
int32_t tallystick_hmac_sha256(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *message,
    uint32_t message_length,
    uint8_t *destination,
    uint32_t destination_length);

/**
 * HKDF-SHA256 (RFC 5869), extract and expand.
 * @param salt salt, may be empty
 * @param material input key material
 * @param info context, may be empty
 * @param destination derived bytes, at most 255 x 32
 * @return 0
 */
int32_t tallystick_hkdf_sha256(
    const uint8_t *salt,
    uint32_t salt_length,
    const uint8_t *material,
    uint32_t material_length,
    const uint8_t *info,
    uint32_t info_length,
    uint8_t *destination,
    uint32_t destination_length);

/**
 * ChaCha20-Poly1305 (RFC 8439): ciphertext is the plaintext's length + 16. Both may start at the same address; the
 * ciphertext overlaps nothing else, or it is InvalidArgument.
 * @param key symmetric key (32 bytes)
 * @param nonce nonce, never used twice under one key (12 bytes)
 * @param associated associated data, authenticated in clear
 * @param plaintext plaintext
 * @param ciphertext ciphertext and tag
 * @return 0
 */
int32_t tallystick_aead_seal(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *nonce,
    uint32_t nonce_length,
    const uint8_t *associated,
    uint32_t associated_length,
    const uint8_t *plaintext,
    uint32_t plaintext_length,
    uint8_t *ciphertext,
    uint32_t ciphertext_length);

/**
 * The reverse: plaintext is the ciphertext's length - 16. Both may start at the same address; the plaintext overlaps
 * nothing else, or it is InvalidArgument.
 * @param key symmetric key (32 bytes)
 * @param nonce nonce, never used twice under one key (12 bytes)
 * @param associated associated data, authenticated in clear
 * @param ciphertext ciphertext and tag
 * @param plaintext plaintext; untouched when the tag is wrong
 * @return 0, or BadTag
 */
int32_t tallystick_aead_open(
    const uint8_t *key,
    uint32_t key_length,
    const uint8_t *nonce,
    uint32_t nonce_length,
    const uint8_t *associated,
    uint32_t associated_length,
    const uint8_t *ciphertext,
    uint32_t ciphertext_length,
    uint8_t *plaintext,
    uint32_t plaintext_length);

#endif
