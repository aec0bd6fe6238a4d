/** The floor: the same public-key operations with libsodium alone, on inputs of the same sizes, and nothing else. */

import sodium from "sodium-native";
import type { Operation } from "./operations.js";

interface Signed {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const seed = new Uint8Array(32).fill(7);
const signingPublic = new Uint8Array(32);
const signingSecret = new Uint8Array(64);
sodium.crypto_sign_seed_keypair(signingPublic, signingSecret, seed);
const agreementPublic = new Uint8Array(32);
sodium.crypto_scalarmult_base(agreementPublic, seed);

/** A signed message of each length, made beforehand. */
const signedByLength = new Map<number, Signed>();

function signedOf(length: number): Signed {
  let made = signedByLength.get(length);
  if (made === undefined) {
    made = { message: new Uint8Array(length).fill(length), signature: new Uint8Array(64) };
    sodium.crypto_sign_detached(made.signature, made.message, signingSecret);
    signedByLength.set(length, made);
  }
  return made;
}

const outSignature = new Uint8Array(64);
const outPublic = new Uint8Array(32);
const outSecret = new Uint8Array(64);

/** The work of each operation, ready to be timed. */
export function floorOf(operations: readonly Operation[]): () => void {
  const work = operations.map(workOf);
  return () => {
    for (const operation of work) operation();
  };
}

function workOf({ kind, messageBytes }: Operation): () => void {
  const { message, signature } = signedOf(messageBytes);
  switch (kind) {
    case "sign":
      return () => sodium.crypto_sign_detached(outSignature, message, signingSecret);
    case "verify":
      return () => {
        if (!sodium.crypto_sign_verify_detached(signature, message, signingPublic)) throw new Error("floor: bad");
      };
    case "generate":
      return () => sodium.crypto_sign_seed_keypair(outPublic, outSecret, seed);
    case "generateAgreement":
      return () => sodium.crypto_scalarmult_base(outPublic, seed);
    case "agree":
      return () => sodium.crypto_scalarmult(outPublic, seed, agreementPublic);
  }
}
