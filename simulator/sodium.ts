/**
 * The cryptography of a chip by libsodium (npm `sodium-native`). The binding lacks HMAC-SHA256, which is made here of its
 * SHA-256: a `node:crypto` object for each costs several times as much as the hashing.
 */

import sodium from "sodium-native";
import type { Cryptography } from "./crypto.js";

/** Where libsodium writes what must not appear in the destination when it fails. */
let scratch = new Uint8Array(8192);

function scratchOf(length: number): Uint8Array {
  if (scratch.length < length) scratch = new Uint8Array(length);
  return scratch.subarray(0, length);
}

// HMAC (RFC 2104): H(key ^ outer pad, H(key ^ inner pad, message)), each hash over one buffer.
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
let inner = new Uint8Array(BLOCK_BYTES + 2048);
const outer = new Uint8Array(BLOCK_BYTES + HASH_BYTES);
const innerHash = outer.subarray(BLOCK_BYTES);
const keyHash = new Uint8Array(HASH_BYTES);

function hmacSha256(key: Uint8Array, message: Uint8Array, destination: Uint8Array): void {
  const length = BLOCK_BYTES + message.length;
  if (inner.length < length) inner = new Uint8Array(length);
  let padded = key;
  if (key.length > BLOCK_BYTES) {
    sodium.crypto_hash_sha256(keyHash, key);
    padded = keyHash;
  }
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = padded[i] ?? 0;
    inner[i] = byte ^ INNER_PAD;
    outer[i] = byte ^ OUTER_PAD;
  }
  inner.set(message, BLOCK_BYTES);
  sodium.crypto_hash_sha256(innerHash, inner.subarray(0, length));
  sodium.crypto_hash_sha256(destination, outer);
  inner.fill(0, 0, length);
  outer.fill(0);
  keyHash.fill(0);
}

// Random bytes of the machine are asked for in this quantity: each asking is a system call.
const RANDOM_POOL_BYTES = 1024;
const randomPool = new Uint8Array(RANDOM_POOL_BYTES);
let randomLeft = 0;

/** Bytes that nobody was given before; what is handed out does not stay here. */
function randomBytes(destination: Uint8Array): void {
  const { length } = destination;
  if (length > RANDOM_POOL_BYTES) {
    sodium.randombytes_buf(destination);
    return;
  }
  if (length > randomLeft) {
    sodium.randombytes_buf(randomPool);
    randomLeft = RANDOM_POOL_BYTES;
  }
  const taken = randomPool.subarray(randomLeft - length, randomLeft);
  destination.set(taken);
  taken.fill(0);
  randomLeft -= length;
}

export const sodiumCryptography: Cryptography = {
  sha256(message, destination) {
    sodium.crypto_hash_sha256(destination, message);
  },
  hmacSha256,
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
    shared.fill(0);
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
    opened.fill(0);
    return true;
  },
  randomBytes,
};
