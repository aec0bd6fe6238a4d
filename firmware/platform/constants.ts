// Generated from firmware/platform/interface.ts by `npm run generate`: do not edit.

/** an address, length, page, slot or kind that the platform does not have */
export const PLATFORM_INVALID_ARGUMENT: i32 = -1;
/** this chip does not have the function */
export const PLATFORM_NOT_SUPPORTED: i32 = -2;
/** the flash did not take a program or erase operation */
export const PLATFORM_FLASH_FAILURE: i32 = -3;
/** the key slot holds no key */
export const PLATFORM_SLOT_EMPTY: i32 = -4;
/** the key slot holds a key of another kind */
export const PLATFORM_WRONG_KIND: i32 = -5;
/** the signature does not verify under the one strict rule */
export const PLATFORM_BAD_SIGNATURE: i32 = -6;
/** a public key that is not canonical, or of small order */
export const PLATFORM_BAD_KEY: i32 = -7;
/** the ciphertext does not authenticate; nothing was decrypted */
export const PLATFORM_BAD_TAG: i32 = -8;
/** the random source failed its own test */
export const PLATFORM_RANDOM_FAILURE: i32 = -9;
/** the monotonic counter has reached its end */
export const PLATFORM_COUNTER_EXHAUSTED: i32 = -10;
/** no key */
export const KEY_KIND_EMPTY: i32 = 0;
/** a signature key pair */
export const KEY_KIND_ED25519: i32 = 1;
/** a key agreement key pair */
export const KEY_KIND_X25519: i32 = 2;
/** 32 secret bytes, for derivation only */
export const KEY_KIND_SECRET: i32 = 3;
/** public keys, shared secrets, symmetric keys */
export const KEY_BYTES: i32 = 32;
/** Ed25519 signature */
export const SIGNATURE_BYTES: i32 = 64;
/** SHA-256 */
export const HASH_BYTES: i32 = 32;
/** ChaCha20-Poly1305 nonce */
export const NONCE_BYTES: i32 = 12;
/** ChaCha20-Poly1305 tag */
export const TAG_BYTES: i32 = 16;
/** slots 0 to 15 keep their keys without power; a write is atomic */
export const SLOTS_PERSISTENT: i32 = 16;
/** slots 16 to 23 are empty after power-up */
export const SLOTS_VOLATILE: i32 = 8;
