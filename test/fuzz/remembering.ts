/** The victim's cryptography: public-key operations that were done before are not done again, for most runs repeat them. */

import type { Cryptography } from "../../simulator/crypto.js";
import { sodiumCryptography } from "../../simulator/sodium.js";

const KEPT_MAX = 20_000;

class Kept<Answer> {
  readonly #answers = new Map<string, Answer>();

  of(inputs: readonly Uint8Array[], make: () => Answer): Answer {
    const id = inputs.map((each) => Buffer.from(each.buffer, each.byteOffset, each.length).toString("latin1")).join("");
    const known = this.#answers.get(id);
    if (known !== undefined) return known;
    if (this.#answers.size >= KEPT_MAX) this.#answers.clear();
    const answer = make();
    this.#answers.set(id, answer);
    return answer;
  }
}

export function rememberingCryptography(): Cryptography {
  const { ed25519Key, ed25519Sign, ed25519Verify, x25519Agree, x25519Public } = sodiumCryptography;
  const [keys, signatures, verdicts] = [
    new Kept<ReturnType<typeof ed25519Key>>(),
    new Kept<Uint8Array>(),
    new Kept<boolean>(),
  ];
  const [agreed, publicKeys] = [new Kept<Uint8Array | null>(), new Kept<Uint8Array>()];
  const made = (fill: (into: Uint8Array) => unknown, length: number) => {
    const bytes = new Uint8Array(length);
    return fill(bytes) === false ? null : bytes;
  };
  return {
    ...sodiumCryptography,
    // A chip wipes the keys that it was given.
    ed25519Key: (seed) => {
      const { publicKey, secretKey } = keys.of([seed], () => ed25519Key(seed));
      return { publicKey: publicKey.slice(), secretKey: secretKey.slice() };
    },
    ed25519Sign: (key, message, signature) => {
      const sign = () => made((into) => ed25519Sign(key, message, into), 64) as Uint8Array;
      signature.set(signatures.of([key.secretKey, message], sign));
    },
    ed25519Verify: (publicKey, message, signature) =>
      verdicts.of([publicKey, signature, message], () => ed25519Verify(publicKey, message, signature)),
    x25519Public: (secret, publicKey) => {
      publicKey.set(publicKeys.of([secret], () => made((into) => x25519Public(secret, into), 32) as Uint8Array));
    },
    x25519Agree: (secret, publicKey, destination) => {
      const answer = agreed.of([secret, publicKey], () => made((into) => x25519Agree(secret, publicKey, into), 32));
      if (answer !== null) destination.set(answer);
      return answer !== null;
    },
  };
}
