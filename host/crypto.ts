/**
 * Cryptography for host code in Node: libsodium by `sodium-native` where speed counts, `@noble/hashes` for HMAC and
 * HKDF, which that binding lacks. Random bytes are handed in by the caller, so that a world can run from one seed.
 */

import { channel } from "node:diagnostics_channel";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import sodium from "sodium-native";
import { assertBytes, assertInteger } from "./codec/bytes.js";
import { signatureIsStrict } from "./codec/ed25519.js";
import type { Signer } from "./codec/signer.js";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NOTHING = new Uint8Array(0);

/** Diagnostics channel on which each public-key operation of host code is told, to whoever counts them. */
export const OPERATIONS_CHANNEL = "tallystick:public-key-operation";

export interface PublicKeyOperation {
  readonly kind: "sign" | "verify" | "agree" | "generate" | "generateAgreement";
  /** What is signed or verified. */
  readonly message?: Uint8Array;
}

const operations = channel(OPERATIONS_CHANNEL);

function tell(kind: PublicKeyOperation["kind"], message?: Uint8Array): void {
  if (operations.hasSubscribers) operations.publish(message === undefined ? { kind } : { kind, message });
}

export class OpenError extends Error {
  override readonly name = "OpenError";
}

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** An Ed25519 key pair from a 32-byte seed; the secret key is libsodium's, of 64 bytes. */
export function ed25519KeyPair(seed: Uint8Array): KeyPair {
  assertBytes(seed, "seed", KEY_BYTES);
  const publicKey = new Uint8Array(KEY_BYTES);
  const secretKey = new Uint8Array(2 * KEY_BYTES);
  tell("generate");
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return { publicKey, secretKey };
}

export function ed25519Sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  assertBytes(message, "message");
  assertBytes(secretKey, "secretKey", 2 * KEY_BYTES);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  tell("sign", message);
  sodium.crypto_sign_detached(signature, message, secretKey);
  return signature;
}

/** Verifies by the one strict rule, which `firmware/lib/ed25519.ts` states. */
export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  assertBytes(publicKey, "publicKey", KEY_BYTES);
  assertBytes(message, "message");
  assertBytes(signature, "signature", SIGNATURE_BYTES);
  if (!signatureIsStrict(publicKey, signature)) return false;
  tell("verify", message);
  return sodium.crypto_sign_verify_detached(signature, message, publicKey);
}

/** A signer for `host/codec/cose.ts` that holds its key in memory. */
export function ed25519Signer(seed: Uint8Array): Signer {
  const { publicKey, secretKey } = ed25519KeyPair(seed);
  return { publicKey, sign: (message) => ed25519Sign(message, secretKey) };
}

/** An X25519 key pair whose secret key is the given 32 random bytes. */
export function x25519KeyPair(secret: Uint8Array): KeyPair {
  assertBytes(secret, "secret", KEY_BYTES);
  const publicKey = new Uint8Array(KEY_BYTES);
  tell("generateAgreement");
  sodium.crypto_scalarmult_base(publicKey, secret);
  return { publicKey, secretKey: Uint8Array.from(secret) };
}

/** The shared secret; RangeError for a public key of small order, whose secret everybody knows. */
export function x25519Agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  assertBytes(secretKey, "secretKey", KEY_BYTES);
  assertBytes(publicKey, "publicKey", KEY_BYTES);
  const shared = new Uint8Array(KEY_BYTES);
  tell("agree");
  try {
    sodium.crypto_scalarmult(shared, secretKey, publicKey);
  } catch (error) {
    throw new RangeError("publicKey: a point of small order", { cause: error });
  }
  return shared;
}

/** ChaCha20-Poly1305 (RFC 8439): ciphertext and tag. A nonce is never used twice under one key. */
export function aeadSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array = NOTHING,
): Uint8Array {
  assertBytes(key, "key", KEY_BYTES);
  assertBytes(nonce, "nonce", NONCE_BYTES);
  assertBytes(plaintext, "plaintext");
  assertBytes(associated, "associated");
  const ciphertext = new Uint8Array(plaintext.length + TAG_BYTES);
  const ad = associated.length === 0 ? null : associated;
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(ciphertext, plaintext, ad, null, nonce, key);
  return ciphertext;
}

/** The reverse; OpenError when the tag is wrong. */
export function aeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  associated: Uint8Array = NOTHING,
): Uint8Array {
  assertBytes(key, "key", KEY_BYTES);
  assertBytes(nonce, "nonce", NONCE_BYTES);
  assertBytes(ciphertext, "ciphertext");
  assertBytes(associated, "associated");
  if (ciphertext.length < TAG_BYTES) throw new OpenError("ciphertext: shorter than its tag");
  const plaintext = new Uint8Array(ciphertext.length - TAG_BYTES);
  const ad = associated.length === 0 ? null : associated;
  try {
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, ciphertext, ad, nonce, key);
  } catch (error) {
    throw new OpenError("ciphertext: does not authenticate", { cause: error });
  }
  return plaintext;
}

export function sha256(message: Uint8Array): Uint8Array {
  assertBytes(message, "message");
  const hash = new Uint8Array(32);
  sodium.crypto_hash_sha256(hash, message);
  return hash;
}

/** As `sha256`, into 32 bytes that are there. */
export function sha256Into(hash: Uint8Array, message: Uint8Array): Uint8Array {
  sodium.crypto_hash_sha256(hash, message);
  return hash;
}

const BLOCK_BYTES = 64;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/**
 * HMAC-SHA256 (RFC 2104) under one key of many messages of one length, several times as fast as one by one. Write into
 * `message`, then ask for the digest, which the next one overwrites.
 */
export class RepeatedHmac {
  readonly message: Uint8Array;
  readonly #inner: Uint8Array;
  readonly #outer = new Uint8Array(BLOCK_BYTES + 32);
  readonly #innerHash = this.#outer.subarray(BLOCK_BYTES);
  readonly #digest = new Uint8Array(32);

  constructor(key: Uint8Array, messageBytes: number) {
    assertInteger(messageBytes, "messageBytes", 0, BLOCK_BYTES);
    this.#inner = new Uint8Array(BLOCK_BYTES + messageBytes);
    this.message = this.#inner.subarray(BLOCK_BYTES);
    this.rekey(key);
  }

  /** From now on under this key. */
  rekey(key: Uint8Array): void {
    assertBytes(key, "key");
    assertInteger(key.length, "key: its length", 0, BLOCK_BYTES);
    this.#inner.fill(INNER_PAD, key.length, BLOCK_BYTES);
    this.#outer.fill(OUTER_PAD, key.length, BLOCK_BYTES);
    for (let i = 0; i < key.length; i++) {
      const byte = key[i] ?? 0;
      this.#inner[i] = byte ^ INNER_PAD;
      this.#outer[i] = byte ^ OUTER_PAD;
    }
  }

  /** Without a key: nothing of it is left. */
  wipe(): void {
    this.#inner.fill(0, 0, BLOCK_BYTES);
    this.#outer.fill(0, 0, BLOCK_BYTES);
  }

  digest(): Uint8Array {
    sodium.crypto_hash_sha256(this.#innerHash, this.#inner);
    sodium.crypto_hash_sha256(this.#digest, this.#outer);
    return this.#digest;
  }
}

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  assertBytes(key, "key");
  assertBytes(message, "message");
  return hmac(nobleSha256, key, message);
}

/** HKDF-SHA256 (RFC 5869), extract and expand. */
export function hkdfSha256(salt: Uint8Array, material: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assertBytes(salt, "salt");
  assertBytes(material, "material");
  assertBytes(info, "info");
  assertInteger(length, "length", 1, 255 * 32);
  return hkdf(nobleSha256, material, salt, info, length);
}

/** Compares secrets of equal length in a time that does not depend on where they differ. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  assertBytes(a, "a");
  assertBytes(b, "b", a.length);
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Overwrites a secret that is no longer needed. */
export function wipe(secret: Uint8Array): void {
  assertBytes(secret, "secret");
  secret.fill(0);
}
