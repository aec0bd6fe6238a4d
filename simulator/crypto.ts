/**
 * The cryptography of a chip, as the simulator needs it: an interface, so that a browser can bring another library.
 * `sodium.ts` implements it for Node.
 *
 * Buffers may lie in linear memory. Outputs are written into the buffers given; lengths were checked by the caller.
 */

/** A signature key pair, expanded once for many signatures. */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  /** The library's own form of the secret key. */
  readonly secretKey: Uint8Array;
}

export interface Cryptography {
  sha256(message: Uint8Array, destination: Uint8Array): void;
  hmacSha256(key: Uint8Array, message: Uint8Array, destination: Uint8Array): void;
  ed25519Key(seed: Uint8Array): SigningKey;
  ed25519Sign(key: SigningKey, message: Uint8Array, signature: Uint8Array): void;
  /** The one strict rule of firmware/platform/interface.ts. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  x25519Public(secret: Uint8Array, publicKey: Uint8Array): void;
  /** False, and the destination untouched, when the result is all zero. */
  x25519Agree(secret: Uint8Array, publicKey: Uint8Array, destination: Uint8Array): boolean;
  aeadSeal(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
    ciphertext: Uint8Array,
  ): void;
  /** False, and the plaintext untouched, when the tag is wrong. */
  aeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    ciphertext: Uint8Array,
    plaintext: Uint8Array,
  ): boolean;
  /** Random bytes of the machine, fit for keys. */
  randomBytes(destination: Uint8Array): void;
}

const HASH_BYTES = 32;
const NO_SALT = new Uint8Array(HASH_BYTES);

/** Longest output of HKDF-SHA256. */
export const HKDF_BYTES_MAX = 255 * HASH_BYTES;

// What HKDF works with, wiped after each use.
const extracted = new Uint8Array(HASH_BYTES);
const block = new Uint8Array(HASH_BYTES);
let blockInput = new Uint8Array(256);

/** HKDF-SHA256 (RFC 5869), extract and expand, over the HMAC of `cryptography`. */
export function hkdfSha256(
  cryptography: Cryptography,
  salt: Uint8Array,
  material: Uint8Array,
  info: Uint8Array,
  destination: Uint8Array,
): void {
  if (destination.length > HKDF_BYTES_MAX) throw new RangeError("destination: HKDF gives at most 255 x 32 bytes");
  cryptography.hmacSha256(salt.length === 0 ? NO_SALT : salt, material, extracted);
  // [ block before | info | number ]: the first block has no block before it.
  const end = HASH_BYTES + info.length + 1;
  if (blockInput.length < end) blockInput = new Uint8Array(end);
  blockInput.set(info, HASH_BYTES);
  for (let number = 1, offset = 0; offset < destination.length; number++, offset += HASH_BYTES) {
    blockInput[end - 1] = number;
    cryptography.hmacSha256(extracted, blockInput.subarray(number === 1 ? HASH_BYTES : 0, end), block);
    const left = destination.length - offset;
    destination.set(left < HASH_BYTES ? block.subarray(0, left) : block, offset);
    blockInput.set(block);
  }
  extracted.fill(0);
  block.fill(0);
  blockInput.fill(0, 0, end);
}
