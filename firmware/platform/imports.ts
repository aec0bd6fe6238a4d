// Generated from firmware/platform/interface.ts by `npm run generate`: do not edit.

/**
 * Bytes of an erase page; the same for every page, a power of two, at least 4096.
 * @returns bytes
 */
@external("tallystick", "flash_page_size")
export declare function flashPageSize(): i32;

/**
 * Pages of this applet's flash region.
 * @returns pages
 */
@external("tallystick", "flash_page_count")
export declare function flashPageCount(): i32;

/**
 * Bytes that are programmed at once: a power of two from 1 to 32.
 * @returns bytes
 */
@external("tallystick", "flash_word_size")
export declare function flashWordSize(): i32;

/**
 * Reads any bytes of the region, across pages too. Erased flash reads 0xFF.
 * @param address first byte, from the start of the region
 * @param destination where to
 * @returns 0
 */
@external("tallystick", "flash_read")
export declare function flashRead(address: u32, destination: usize, destinationLength: u32): i32;

/**
 * Clears bits. Address and length are multiples of the word size, within one page, and every word is erased: a word is
 * programmed once between two erasures. What breaks this is FlashFailure. A power cut leaves any subset of the bits
 * cleared.
 * @param address first byte, from the start of the region
 * @param source the bytes to program
 * @returns 0
 */
@external("tallystick", "flash_program")
export declare function flashProgram(address: u32, source: usize, sourceLength: u32): i32;

/**
 * Sets every bit of a page. A power cut leaves any subset of the cleared bits set.
 * @param page page, from 0
 * @returns 0
 */
@external("tallystick", "flash_erase")
export declare function flashErase(page: u32): i32;

/**
 * Fills a buffer with random bytes fit for keys.
 * @param destination where to
 * @returns 0
 */
@external("tallystick", "random_bytes")
export declare function randomBytes(destination: usize, destinationLength: u32): i32;

/**
 * Seconds since power-up, by the chip's own tick; never goes back while there is power.
 * @returns seconds
 */
@external("tallystick", "clock_seconds")
export declare function clockSeconds(): i32;

/**
 * The monotonic counter of this applet. A chip without one answers NotSupported.
 * @returns value
 */
@external("tallystick", "counter_read")
export declare function counterRead(): i32;

/**
 * Adds one, for ever.
 * @returns the new value
 */
@external("tallystick", "counter_increment")
export declare function counterIncrement(): i32;

/**
 * What a slot holds.
 * @param slot key slot
 * @returns a key kind, 0 for an empty slot
 */
@external("tallystick", "slot_kind")
export declare function slotKind(slot: u32): i32;

/**
 * Makes a new random key in a slot; what the slot held is gone.
 * @param slot key slot
 * @param kind Ed25519, X25519 or Secret
 * @returns 0
 */
@external("tallystick", "slot_generate")
export declare function slotGenerate(slot: u32, kind: u32): i32;

/**
 * Puts 32 secret bytes into a slot, kind Secret; what the slot held is gone.
 * @param slot key slot
 * @param secret the secret (32 bytes)
 * @returns 0
 */
@external("tallystick", "slot_put")
export declare function slotPut(slot: u32, secret: usize, secretLength: u32): i32;

/**
 * Wipes a slot; an empty slot stays empty.
 * @param slot key slot
 * @returns 0
 */
@external("tallystick", "slot_erase")
export declare function slotErase(slot: u32): i32;

/**
 * The public key of an Ed25519 or X25519 slot.
 * @param slot key slot
 * @param destination public key (32 bytes)
 * @returns 0
 */
@external("tallystick", "slot_public")
export declare function slotPublic(slot: u32, destination: usize, destinationLength: u32): i32;

/**
 * HKDF-SHA256 (RFC 5869) with the slot's secret as input key material and an empty salt.
 * @param slot key slot
 * @param info context
 * @param destination derived bytes, at most 255 x 32
 * @returns 0
 */
@external("tallystick", "slot_derive")
export declare function slotDerive(
  slot: u32,
  info: usize,
  infoLength: u32,
  destination: usize,
  destinationLength: u32,
): i32;

/**
 * Ed25519 (RFC 8032) by the key in a slot. Message and signature that overlap are InvalidArgument.
 * @param slot key slot
 * @param message the message
 * @param signature signature (64 bytes)
 * @returns 0
 */
@external("tallystick", "ed25519_sign")
export declare function ed25519Sign(
  slot: u32,
  message: usize,
  messageLength: u32,
  signature: usize,
  signatureLength: u32,
): i32;

/**
 * The one strict rule: S < L, canonical encodings, no small-order public key or R, equation without cofactor.
 * @param publicKey public key (32 bytes)
 * @param message the message
 * @param signature signature (64 bytes)
 * @returns 0, or BadSignature
 */
@external("tallystick", "ed25519_verify")
export declare function ed25519Verify(
  publicKey: usize,
  publicKeyLength: u32,
  message: usize,
  messageLength: u32,
  signature: usize,
  signatureLength: u32,
): i32;

/**
 * X25519 (RFC 7748) between the key in a slot and a public key; an all-zero result is BadKey.
 * @param slot key slot
 * @param publicKey the other party's public key (32 bytes)
 * @param destination shared secret (32 bytes)
 * @returns 0, or BadKey
 */
@external("tallystick", "x25519_agree")
export declare function x25519Agree(
  slot: u32,
  publicKey: usize,
  publicKeyLength: u32,
  destination: usize,
  destinationLength: u32,
): i32;

/**
 * SHA-256 (FIPS 180-4).
 * @param message the message
 * @param destination hash (32 bytes)
 * @returns 0
 */
@external("tallystick", "sha256")
export declare function sha256(message: usize, messageLength: u32, destination: usize, destinationLength: u32): i32;

/**
 * HMAC-SHA256 (RFC 2104).
 * @param key key of any length
 * @param message the message
 * @param destination tag (32 bytes)
 * @returns 0
 */
@external("tallystick", "hmac_sha256")
export declare function hmacSha256(
  key: usize,
  keyLength: u32,
  message: usize,
  messageLength: u32,
  destination: usize,
  destinationLength: u32,
): i32;

/**
 * HKDF-SHA256 (RFC 5869), extract and expand.
 * @param salt salt, may be empty
 * @param material input key material
 * @param info context, may be empty
 * @param destination derived bytes, at most 255 x 32
 * @returns 0
 */
@external("tallystick", "hkdf_sha256")
export declare function hkdfSha256(
  salt: usize,
  saltLength: u32,
  material: usize,
  materialLength: u32,
  info: usize,
  infoLength: u32,
  destination: usize,
  destinationLength: u32,
): i32;

/**
 * ChaCha20-Poly1305 (RFC 8439): ciphertext is the plaintext's length + 16. Both may start at the same address; the
 * ciphertext overlaps nothing else, or it is InvalidArgument.
 * @param key symmetric key (32 bytes)
 * @param nonce nonce, never used twice under one key (12 bytes)
 * @param associated associated data, authenticated in clear
 * @param plaintext plaintext
 * @param ciphertext ciphertext and tag
 * @returns 0
 */
@external("tallystick", "aead_seal")
export declare function aeadSeal(
  key: usize,
  keyLength: u32,
  nonce: usize,
  nonceLength: u32,
  associated: usize,
  associatedLength: u32,
  plaintext: usize,
  plaintextLength: u32,
  ciphertext: usize,
  ciphertextLength: u32,
): i32;

/**
 * The reverse: plaintext is the ciphertext's length - 16. Both may start at the same address; the plaintext overlaps
 * nothing else, or it is InvalidArgument.
 * @param key symmetric key (32 bytes)
 * @param nonce nonce, never used twice under one key (12 bytes)
 * @param associated associated data, authenticated in clear
 * @param ciphertext ciphertext and tag
 * @param plaintext plaintext; untouched when the tag is wrong
 * @returns 0, or BadTag
 */
@external("tallystick", "aead_open")
export declare function aeadOpen(
  key: usize,
  keyLength: u32,
  nonce: usize,
  nonceLength: u32,
  associated: usize,
  associatedLength: u32,
  ciphertext: usize,
  ciphertextLength: u32,
  plaintext: usize,
  plaintextLength: u32,
): i32;
