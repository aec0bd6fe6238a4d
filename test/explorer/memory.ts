/**
 * Cryptography that remembers: an explorer has elements do the same thing again and again. Only functions whose result their
 * arguments alone decide are remembered, by all that decides it: of a signature the public key and the message.
 */

import type { Cryptography, SigningKey } from "../../simulator/crypto.js";
import { sodiumCryptography } from "../../simulator/sodium.js";

const ENTRIES_MAX = 100_000;

function remembering<Result>() {
  const known = new Map<string, Result>();
  return (parts: readonly Uint8Array[], work: () => Result): Result => {
    const key = parts
      .map((part) => Buffer.from(part.buffer, part.byteOffset, part.length).toString("latin1"))
      .join("|");
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= ENTRIES_MAX) known.clear();
    const result = work();
    known.set(key, result);
    return result;
  };
}

const verified = remembering<boolean>();
const agreed = remembering<Uint8Array | false>();
const signed = remembering<Uint8Array>();
const signingKeys = remembering<SigningKey>();
const publicKeys = remembering<Uint8Array>();

export const memoised: Cryptography = {
  ...sodiumCryptography,
  ed25519Verify: (publicKey, message, signature) =>
    verified([publicKey, signature, message], () => sodiumCryptography.ed25519Verify(publicKey, message, signature)),
  // A chip wipes what it was given.
  ed25519Key: (seed) => {
    const { publicKey, secretKey } = signingKeys([seed], () => sodiumCryptography.ed25519Key(seed));
    return { publicKey, secretKey: secretKey.slice() };
  },
  x25519Public: (secret, publicKey) => {
    const made = publicKeys([secret], () => {
      sodiumCryptography.x25519Public(secret, publicKey);
      return publicKey.slice();
    });
    publicKey.set(made);
  },
  ed25519Sign: (key, message, signature) => {
    const made = signed([key.publicKey, message], () => {
      sodiumCryptography.ed25519Sign(key, message, signature);
      return signature.slice();
    });
    signature.set(made);
  },
  x25519Agree: (secret, publicKey, destination) => {
    const made = agreed([secret, publicKey], () => {
      const isGood = sodiumCryptography.x25519Agree(secret, publicKey, destination);
      return isGood ? destination.slice() : false;
    });
    if (made === false) return false;
    destination.set(made);
    return true;
  },
};
