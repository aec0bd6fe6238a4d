/** A verifier that remembers what it found good: the same certificate met again costs a hash and no public-key operation. */

import { sha256 } from "../crypto.js";
import { concatBytes, toHex } from "./bytes.js";
import type { Verifier } from "./signer.js";

/** Only that a signature is good is remembered, of those used last; validity is looked at every time. */
export function rememberingVerifier(verifier: Verifier, remembered_max: number): Verifier {
  const good = new Set<string>();
  return (publicKey, message, signature) => {
    // Key and signature have fixed lengths, so that no two triples give the same bytes.
    const triple = toHex(sha256(concatBytes(publicKey, signature, message)));
    // In the order of their last use: what is used again goes to the end.
    const known = good.delete(triple);
    if (!known && !verifier(publicKey, message, signature)) return false;
    const [oldest] = good;
    if (good.size >= remembered_max && oldest !== undefined) good.delete(oldest);
    good.add(triple);
    return true;
  };
}
