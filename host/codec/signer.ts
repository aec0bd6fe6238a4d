/** Who signs and who verifies: handed in, because a key may lie in a file, in a chip or in a browser. */

export interface Signer {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/**
 * Verifies an Ed25519 signature by the equation without cofactor. (Verifiers that multiply by 8 say yes to signatures
 * that the elements refuse; among them is `@noble/curves`.)
 */
export type Verifier = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
