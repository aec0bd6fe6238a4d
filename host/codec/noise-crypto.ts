/** The primitives that Noise needs, handed in, and their default. */

import { aeadOpen, aeadSeal, hkdfSha256, OpenError, sha256, x25519Agree, x25519KeyPair } from "../crypto.js";
import { assertBytes } from "./bytes.js";

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;

export interface NoiseCrypto {
  /** X25519 public key of a private key. */
  publicKey(privateKey: Uint8Array): Uint8Array;
  /** X25519 (RFC 7748), or undefined where the result would be all zero: a public key of small order. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  sha256(message: Uint8Array): Uint8Array;
  /** HKDF-SHA256 (RFC 5869), extract and expand. */
  hkdf(salt: Uint8Array, material: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The reverse, or undefined where the tag is wrong. */
  open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

/** Over `host/crypto.ts`, where a wrong length is an error of the caller and the rest an answer. */
export const hostNoiseCrypto: NoiseCrypto = {
  publicKey(privateKey) {
    const { publicKey, secretKey } = x25519KeyPair(privateKey);
    secretKey.fill(0);
    return publicKey;
  },
  agree(privateKey, publicKey) {
    assertBytes(privateKey, "privateKey", KEY_BYTES);
    assertBytes(publicKey, "publicKey", KEY_BYTES);
    try {
      return x25519Agree(privateKey, publicKey);
    } catch (error) {
      // Lengths are right, so this is a point of small order.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  },
  sha256,
  hkdf: hkdfSha256,
  seal: (key, nonce, associated, plaintext) => aeadSeal(key, nonce, plaintext, associated),
  open(key, nonce, associated, ciphertext) {
    try {
      return aeadOpen(key, nonce, ciphertext, associated);
    } catch (error) {
      if (error instanceof OpenError) return undefined;
      throw error;
    }
  },
};
