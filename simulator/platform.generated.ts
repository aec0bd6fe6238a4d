// Generated from firmware/platform/interface.ts by `npm run generate`: do not edit.

/** Results below zero. */
export const PlatformError = {
  /** an address, length, page, slot or kind that the platform does not have */
  InvalidArgument: -1,
  /** this chip does not have the function */
  NotSupported: -2,
  /** the flash did not take a program or erase operation */
  FlashFailure: -3,
  /** the key slot holds no key */
  SlotEmpty: -4,
  /** the key slot holds a key of another kind */
  WrongKind: -5,
  /** the signature does not verify under the one strict rule */
  BadSignature: -6,
  /** a public key that is not canonical, or of small order */
  BadKey: -7,
  /** the ciphertext does not authenticate; nothing was decrypted */
  BadTag: -8,
  /** the random source failed its own test */
  RandomFailure: -9,
  /** the monotonic counter has reached its end */
  CounterExhausted: -10,
} as const;

/** Kinds of key in a slot. */
export const KeyKind = {
  /** no key */
  Empty: 0,
  /** a signature key pair */
  Ed25519: 1,
  /** a key agreement key pair */
  X25519: 2,
  /** 32 secret bytes, for derivation only */
  Secret: 3,
} as const;

/** public keys, shared secrets, symmetric keys */
export const KEY_BYTES = 32;
/** Ed25519 signature */
export const SIGNATURE_BYTES = 64;
/** SHA-256 */
export const HASH_BYTES = 32;
/** ChaCha20-Poly1305 nonce */
export const NONCE_BYTES = 12;
/** ChaCha20-Poly1305 tag */
export const TAG_BYTES = 16;
/** slots 0 to 15 keep their keys without power; a write is atomic */
export const SLOTS_PERSISTENT = 16;
/** slots 16 to 23 are empty after power-up */
export const SLOTS_VOLATILE = 8;

/** Import module name of every function below. */
export const PLATFORM_MODULE = "tallystick";

/** What a chip provides to an applet. */
export interface Platform {
  /**
   * Bytes of an erase page; the same for every page, a power of two, at least 4096.
   * @returns bytes
   */
  flashPageSize(): number;

  /**
   * Pages of this applet's flash region.
   * @returns pages
   */
  flashPageCount(): number;

  /**
   * Bytes that are programmed at once: a power of two from 1 to 32.
   * @returns bytes
   */
  flashWordSize(): number;

  /**
   * Reads any bytes of the region, across pages too. Erased flash reads 0xFF.
   * @param address first byte, from the start of the region
   * @param destination where to
   * @returns 0
   */
  flashRead(address: number, destination: Uint8Array): number;

  /**
   * Clears bits. Address and length are multiples of the word size, within one page, and every word is erased: a word
   * is programmed once between two erasures. What breaks this is FlashFailure. A power cut leaves any subset of the
   * bits cleared.
   * @param address first byte, from the start of the region
   * @param source the bytes to program
   * @returns 0
   */
  flashProgram(address: number, source: Uint8Array): number;

  /**
   * Sets every bit of a page. A power cut leaves any subset of the cleared bits set.
   * @param page page, from 0
   * @returns 0
   */
  flashErase(page: number): number;

  /**
   * Fills a buffer with random bytes fit for keys.
   * @param destination where to
   * @returns 0
   */
  randomBytes(destination: Uint8Array): number;

  /**
   * Seconds since power-up, by the chip's own tick; never goes back while there is power.
   * @returns seconds
   */
  clockSeconds(): number;

  /**
   * The monotonic counter of this applet. A chip without one answers NotSupported.
   * @returns value
   */
  counterRead(): number;

  /**
   * Adds one, for ever.
   * @returns the new value
   */
  counterIncrement(): number;

  /**
   * What a slot holds.
   * @param slot key slot
   * @returns a key kind, 0 for an empty slot
   */
  slotKind(slot: number): number;

  /**
   * Makes a new random key in a slot; what the slot held is gone.
   * @param slot key slot
   * @param kind Ed25519, X25519 or Secret
   * @returns 0
   */
  slotGenerate(slot: number, kind: number): number;

  /**
   * Puts 32 secret bytes into a slot, kind Secret; what the slot held is gone.
   * @param slot key slot
   * @param secret the secret (32 bytes)
   * @returns 0
   */
  slotPut(slot: number, secret: Uint8Array): number;

  /**
   * Wipes a slot; an empty slot stays empty.
   * @param slot key slot
   * @returns 0
   */
  slotErase(slot: number): number;

  /**
   * The public key of an Ed25519 or X25519 slot.
   * @param slot key slot
   * @param destination public key (32 bytes)
   * @returns 0
   */
  slotPublic(slot: number, destination: Uint8Array): number;

  /**
   * HKDF-SHA256 (RFC 5869) with the slot's secret as input key material and an empty salt.
   * @param slot key slot
   * @param info context
   * @param destination derived bytes, at most 255 x 32
   * @returns 0
   */
  slotDerive(slot: number, info: Uint8Array, destination: Uint8Array): number;

  /**
   * Ed25519 (RFC 8032) by the key in a slot. Message and signature that overlap are InvalidArgument.
   * @param slot key slot
   * @param message the message
   * @param signature signature (64 bytes)
   * @returns 0
   */
  ed25519Sign(slot: number, message: Uint8Array, signature: Uint8Array): number;

  /**
   * The one strict rule: S < L, canonical encodings, no small-order public key or R, equation without cofactor.
   * @param publicKey public key (32 bytes)
   * @param message the message
   * @param signature signature (64 bytes)
   * @returns 0, or BadSignature
   */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): number;

  /**
   * X25519 (RFC 7748) between the key in a slot and a public key; an all-zero result is BadKey.
   * @param slot key slot
   * @param publicKey the other party's public key (32 bytes)
   * @param destination shared secret (32 bytes)
   * @returns 0, or BadKey
   */
  x25519Agree(slot: number, publicKey: Uint8Array, destination: Uint8Array): number;

  /**
   * SHA-256 (FIPS 180-4).
   * @param message the message
   * @param destination hash (32 bytes)
   * @returns 0
   */
  sha256(message: Uint8Array, destination: Uint8Array): number;

  /**
   * HMAC-SHA256 (RFC 2104).
   * @param key key of any length
   * @param message the message
   * @param destination tag (32 bytes)
   * @returns 0
   */
  hmacSha256(key: Uint8Array, message: Uint8Array, destination: Uint8Array): number;

  /**
   * HKDF-SHA256 (RFC 5869), extract and expand.
   * @param salt salt, may be empty
   * @param material input key material
   * @param info context, may be empty
   * @param destination derived bytes, at most 255 x 32
   * @returns 0
   */
  hkdfSha256(salt: Uint8Array, material: Uint8Array, info: Uint8Array, destination: Uint8Array): number;

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
  aeadSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array, ciphertext: Uint8Array): number;

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
  aeadOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array, plaintext: Uint8Array): number;
}

/**
 * The imports of an applet: checks every address and length against linear memory, and every fixed length, before the
 * platform sees a buffer. A buffer that fails is InvalidArgument, and the platform is not called. Memory and platform
 * are asked for at each call, so that an instance can serve one chip after another.
 */
export function bindPlatform(memory: () => WebAssembly.Memory, platform: () => Platform): WebAssembly.ModuleImports {
  let bytes = new Uint8Array(0);
  function view(address: number, length: number): Uint8Array | undefined {
    const { buffer } = memory();
    if (bytes.buffer !== buffer) bytes = new Uint8Array(buffer);
    const start = address >>> 0;
    const end = start + (length >>> 0);
    return end > bytes.length ? undefined : bytes.subarray(start, end);
  }
  function viewExactly(address: number, length: number, lengthExpected: number): Uint8Array | undefined {
    return length === lengthExpected ? view(address, length) : undefined;
  }

  return {
    flash_page_size(): number {
      return platform().flashPageSize();
    },
    flash_page_count(): number {
      return platform().flashPageCount();
    },
    flash_word_size(): number {
      return platform().flashWordSize();
    },
    flash_read(address: number, destinationAddress: number, destinationLength: number): number {
      const destination = view(destinationAddress, destinationLength);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().flashRead(address >>> 0, destination);
    },
    flash_program(address: number, sourceAddress: number, sourceLength: number): number {
      const source = view(sourceAddress, sourceLength);
      if (source === undefined) return PlatformError.InvalidArgument;
      return platform().flashProgram(address >>> 0, source);
    },
    flash_erase(page: number): number {
      return platform().flashErase(page >>> 0);
    },
    random_bytes(destinationAddress: number, destinationLength: number): number {
      const destination = view(destinationAddress, destinationLength);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().randomBytes(destination);
    },
    clock_seconds(): number {
      return platform().clockSeconds();
    },
    counter_read(): number {
      return platform().counterRead();
    },
    counter_increment(): number {
      return platform().counterIncrement();
    },
    slot_kind(slot: number): number {
      return platform().slotKind(slot >>> 0);
    },
    slot_generate(slot: number, kind: number): number {
      return platform().slotGenerate(slot >>> 0, kind >>> 0);
    },
    slot_put(slot: number, secretAddress: number, secretLength: number): number {
      const secret = viewExactly(secretAddress, secretLength, 32);
      if (secret === undefined) return PlatformError.InvalidArgument;
      return platform().slotPut(slot >>> 0, secret);
    },
    slot_erase(slot: number): number {
      return platform().slotErase(slot >>> 0);
    },
    slot_public(slot: number, destinationAddress: number, destinationLength: number): number {
      const destination = viewExactly(destinationAddress, destinationLength, 32);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().slotPublic(slot >>> 0, destination);
    },
    slot_derive(slot: number, infoAddress: number, infoLength: number, destinationAddress: number, destinationLength: number): number {
      const info = view(infoAddress, infoLength);
      if (info === undefined) return PlatformError.InvalidArgument;
      const destination = view(destinationAddress, destinationLength);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().slotDerive(slot >>> 0, info, destination);
    },
    ed25519_sign(slot: number, messageAddress: number, messageLength: number, signatureAddress: number, signatureLength: number): number {
      const message = view(messageAddress, messageLength);
      if (message === undefined) return PlatformError.InvalidArgument;
      const signature = viewExactly(signatureAddress, signatureLength, 64);
      if (signature === undefined) return PlatformError.InvalidArgument;
      return platform().ed25519Sign(slot >>> 0, message, signature);
    },
    ed25519_verify(publicKeyAddress: number, publicKeyLength: number, messageAddress: number, messageLength: number, signatureAddress: number, signatureLength: number): number {
      const publicKey = viewExactly(publicKeyAddress, publicKeyLength, 32);
      if (publicKey === undefined) return PlatformError.InvalidArgument;
      const message = view(messageAddress, messageLength);
      if (message === undefined) return PlatformError.InvalidArgument;
      const signature = viewExactly(signatureAddress, signatureLength, 64);
      if (signature === undefined) return PlatformError.InvalidArgument;
      return platform().ed25519Verify(publicKey, message, signature);
    },
    x25519_agree(slot: number, publicKeyAddress: number, publicKeyLength: number, destinationAddress: number, destinationLength: number): number {
      const publicKey = viewExactly(publicKeyAddress, publicKeyLength, 32);
      if (publicKey === undefined) return PlatformError.InvalidArgument;
      const destination = viewExactly(destinationAddress, destinationLength, 32);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().x25519Agree(slot >>> 0, publicKey, destination);
    },
    sha256(messageAddress: number, messageLength: number, destinationAddress: number, destinationLength: number): number {
      const message = view(messageAddress, messageLength);
      if (message === undefined) return PlatformError.InvalidArgument;
      const destination = viewExactly(destinationAddress, destinationLength, 32);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().sha256(message, destination);
    },
    hmac_sha256(keyAddress: number, keyLength: number, messageAddress: number, messageLength: number, destinationAddress: number, destinationLength: number): number {
      const key = view(keyAddress, keyLength);
      if (key === undefined) return PlatformError.InvalidArgument;
      const message = view(messageAddress, messageLength);
      if (message === undefined) return PlatformError.InvalidArgument;
      const destination = viewExactly(destinationAddress, destinationLength, 32);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().hmacSha256(key, message, destination);
    },
    hkdf_sha256(saltAddress: number, saltLength: number, materialAddress: number, materialLength: number, infoAddress: number, infoLength: number, destinationAddress: number, destinationLength: number): number {
      const salt = view(saltAddress, saltLength);
      if (salt === undefined) return PlatformError.InvalidArgument;
      const material = view(materialAddress, materialLength);
      if (material === undefined) return PlatformError.InvalidArgument;
      const info = view(infoAddress, infoLength);
      if (info === undefined) return PlatformError.InvalidArgument;
      const destination = view(destinationAddress, destinationLength);
      if (destination === undefined) return PlatformError.InvalidArgument;
      return platform().hkdfSha256(salt, material, info, destination);
    },
    aead_seal(keyAddress: number, keyLength: number, nonceAddress: number, nonceLength: number, associatedAddress: number, associatedLength: number, plaintextAddress: number, plaintextLength: number, ciphertextAddress: number, ciphertextLength: number): number {
      const key = viewExactly(keyAddress, keyLength, 32);
      if (key === undefined) return PlatformError.InvalidArgument;
      const nonce = viewExactly(nonceAddress, nonceLength, 12);
      if (nonce === undefined) return PlatformError.InvalidArgument;
      const associated = view(associatedAddress, associatedLength);
      if (associated === undefined) return PlatformError.InvalidArgument;
      const plaintext = view(plaintextAddress, plaintextLength);
      if (plaintext === undefined) return PlatformError.InvalidArgument;
      const ciphertext = view(ciphertextAddress, ciphertextLength);
      if (ciphertext === undefined) return PlatformError.InvalidArgument;
      return platform().aeadSeal(key, nonce, associated, plaintext, ciphertext);
    },
    aead_open(keyAddress: number, keyLength: number, nonceAddress: number, nonceLength: number, associatedAddress: number, associatedLength: number, ciphertextAddress: number, ciphertextLength: number, plaintextAddress: number, plaintextLength: number): number {
      const key = viewExactly(keyAddress, keyLength, 32);
      if (key === undefined) return PlatformError.InvalidArgument;
      const nonce = viewExactly(nonceAddress, nonceLength, 12);
      if (nonce === undefined) return PlatformError.InvalidArgument;
      const associated = view(associatedAddress, associatedLength);
      if (associated === undefined) return PlatformError.InvalidArgument;
      const ciphertext = view(ciphertextAddress, ciphertextLength);
      if (ciphertext === undefined) return PlatformError.InvalidArgument;
      const plaintext = view(plaintextAddress, plaintextLength);
      if (plaintext === undefined) return PlatformError.InvalidArgument;
      return platform().aeadOpen(key, nonce, associated, ciphertext, plaintext);
    },
  };
}
