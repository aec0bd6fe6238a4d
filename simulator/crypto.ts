/**
 * The cryptography of a chip, as the simulator needs it: an interface, so that a browser can bring another library,
 * and the implementation by libsodium (npm `sodium-native`) and `node:crypto` (which has the HMAC that the former lacks).
 *
 * Buffers may lie in linear memory. Outputs are written into the buffers given; lengths were checked by the caller.
 */

import { createHmac } from "node:crypto";
import sodium from "sodium-native";

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

/** Where libsodium writes what must not appear in the destination when it fails. */
let scratch = new Uint8Array(8192);

function scratchOf(length: number): Uint8Array {
  if (scratch.length < length) scratch = new Uint8Array(length);
  return scratch.subarray(0, length);
}

export const sodiumCryptography: Cryptography = {
  sha256(message, destination) {
    sodium.crypto_hash_sha256(destination, message);
  },
  hmacSha256(key, message, destination) {
    destination.set(createHmac("sha256", key).update(message).digest());
  },
  ed25519Key(seed) {
    const key = { publicKey: new Uint8Array(32), secretKey: new Uint8Array(64) };
    sodium.crypto_sign_seed_keypair(key.publicKey, key.secretKey, seed);
    return key;
  },
  ed25519Sign(key, message, signature) {
    sodium.crypto_sign_detached(signature, message, key.secretKey);
  },
  ed25519Verify(publicKey, message, signature) {
    // libsodium alone gives the strict rule: test/simulator/ed25519-strict.test.ts tries each clause of it.
    return sodium.crypto_sign_verify_detached(signature, message, publicKey);
  },
  x25519Public(secret, publicKey) {
    sodium.crypto_scalarmult_base(publicKey, secret);
  },
  x25519Agree(secret, publicKey, destination) {
    const shared = scratchOf(32);
    try {
      sodium.crypto_scalarmult(shared, secret, publicKey);
    } catch {
      return false;
    }
    destination.set(shared);
    sodium.sodium_memzero(shared);
    return true;
  },
  aeadSeal(key, nonce, associated, plaintext, ciphertext) {
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(ciphertext, plaintext, associated, null, nonce, key);
  },
  aeadOpen(key, nonce, associated, ciphertext, plaintext) {
    const opened = scratchOf(plaintext.length);
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(opened, null, ciphertext, associated, nonce, key);
    } catch {
      return false;
    }
    plaintext.set(opened);
    sodium.sodium_memzero(opened);
    return true;
  },
  randomBytes(destination) {
    sodium.randombytes_buf(destination);
  },
};

const HASH_BYTES = 32;
const NO_SALT = new Uint8Array(HASH_BYTES);

/** Longest output of HKDF-SHA256. */
export const HKDF_BYTES_MAX = 255 * HASH_BYTES;

/** HKDF-SHA256 (RFC 5869), extract and expand, over the HMAC of `cryptography`. */
export function hkdfSha256(
  cryptography: Cryptography,
  salt: Uint8Array,
  material: Uint8Array,
  info: Uint8Array,
  destination: Uint8Array,
): void {
  if (destination.length > HKDF_BYTES_MAX) throw new RangeError("destination: HKDF gives at most 255 x 32 bytes");
  const key = new Uint8Array(HASH_BYTES);
  cryptography.hmacSha256(salt.length === 0 ? NO_SALT : salt, material, key);
  const input = new Uint8Array(HASH_BYTES + info.length + 1);
  input.set(info, HASH_BYTES);
  const derived = new Uint8Array(Math.ceil(destination.length / HASH_BYTES) * HASH_BYTES);
  for (let block = 1, offset = 0; offset < derived.length; block++, offset += HASH_BYTES) {
    input[input.length - 1] = block;
    const output = derived.subarray(offset, offset + HASH_BYTES);
    // The first block has no block before it.
    cryptography.hmacSha256(key, block === 1 ? input.subarray(HASH_BYTES) : input, output);
    input.set(output);
  }
  destination.set(derived.subarray(0, destination.length));
  key.fill(0);
  derived.fill(0);
  input.fill(0);
}
