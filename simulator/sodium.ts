/** The cryptography of a chip by libsodium (npm `sodium-native`), and by `node:crypto` for the HMAC that the former lacks. */

import { createHmac } from "node:crypto";
import sodium from "sodium-native";
import type { Cryptography } from "./crypto.js";

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
