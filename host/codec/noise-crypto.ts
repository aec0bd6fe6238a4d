/** The primitives that Noise needs, handed in, and their default on node:crypto. */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from "node:crypto";

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;

export interface NoiseCrypto {
  /** X25519 public key of a private key. */
  publicKey(privateKey: Uint8Array): Uint8Array;
  /** X25519 (RFC 7748), or undefined where the result would be all zero: a public key of small order. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** HKDF-SHA256 (RFC 5869), extract and expand. */
  hkdf(salt: Uint8Array, material: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The reverse, or undefined where the tag is wrong. */
  open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

const AEAD = "chacha20-poly1305";
const AEAD_OPTIONS = { authTagLength: TAG_BYTES };
// node:crypto takes raw X25519 keys in the DER frames of RFC 8410 only.
const PRIVATE_KEY_DER = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_KEY_DER = Buffer.from("302a300506032b656e032100", "hex");

function privateKeyObject(privateKey: Uint8Array) {
  requireBytes("privateKey", privateKey, KEY_BYTES);
  return createPrivateKey({ key: Buffer.concat([PRIVATE_KEY_DER, privateKey]), format: "der", type: "pkcs8" });
}

function publicKeyObject(publicKey: Uint8Array) {
  requireBytes("publicKey", publicKey, KEY_BYTES);
  return createPublicKey({ key: Buffer.concat([PUBLIC_KEY_DER, publicKey]), format: "der", type: "spki" });
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** Guard of a fixed size; the error names the argument. */
export function requireBytes(name: string, value: Uint8Array, length: number): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be bytes`);
  if (value.length !== length) throw new RangeError(`${name} must have ${length} bytes, it has ${value.length}`);
}

export const nodeNoiseCrypto: NoiseCrypto = {
  publicKey(privateKey) {
    const der = createPublicKey(privateKeyObject(privateKey)).export({ format: "der", type: "spki" });
    return Uint8Array.from(der.subarray(PUBLIC_KEY_DER.length));
  },

  agree(privateKey, publicKey) {
    const keys = { privateKey: privateKeyObject(privateKey), publicKey: publicKeyObject(publicKey) };
    try {
      const secret = diffieHellman(keys);
      return secret.some((byte) => byte !== 0) ? Uint8Array.from(secret) : undefined;
    } catch {
      // OpenSSL itself refuses an all-zero result; both keys were well formed, so nothing else can fail here.
      return undefined;
    }
  },

  sha256(...parts) {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return Uint8Array.from(hash.digest());
  },

  hkdf(salt, material, info, length) {
    const extracted = hmac(salt, material);
    const derived = new Uint8Array(length);
    let block: Uint8Array = new Uint8Array(0);
    for (let done = 0, index = 1; done < length; done += block.length, index += 1) {
      block = hmac(extracted, block, info, Uint8Array.of(index));
      derived.set(block.subarray(0, length - done), done);
    }
    return derived;
  },

  seal(key, nonce, associated, plaintext) {
    const cipher = createCipheriv(AEAD, key, nonce, AEAD_OPTIONS);
    cipher.setAAD(associated, { plaintextLength: plaintext.length });
    const ciphertext = new Uint8Array(plaintext.length + TAG_BYTES);
    ciphertext.set(cipher.update(plaintext));
    cipher.final();
    ciphertext.set(cipher.getAuthTag(), plaintext.length);
    return ciphertext;
  },

  open(key, nonce, associated, ciphertext) {
    if (ciphertext.length < TAG_BYTES) return undefined;
    const length = ciphertext.length - TAG_BYTES;
    const decipher = createDecipheriv(AEAD, key, nonce, AEAD_OPTIONS);
    decipher.setAAD(associated, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    const plaintext = Uint8Array.from(decipher.update(ciphertext.subarray(0, length)));
    try {
      decipher.final();
      return plaintext;
    } catch {
      return undefined;
    }
  },
};
