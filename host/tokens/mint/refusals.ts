/** How an issuer's refusals are made. */

import { CodecError } from "../../codec/errors.js";
import { NoiseError } from "../../codec/noise.js";
import { TokenError, type TokenErrorCode } from "../errors.js";

/** Reads what somebody sent: whatever a codec refuses is `malformed`. */
export function legibly<Result>(read: () => Result): Result {
  return guarded(read, "malformed", "The message cannot be read. Nothing was issued or booked. Send it again.");
}

/** Checks a signature or a certificate: whatever a codec refuses is `not-authentic`. */
export function authentically<Result>(check: () => Result): Result {
  return guarded(
    check,
    "not-authentic",
    "The message is not signed by whom it names, or its certificate is not good. Nothing was issued or booked.",
  );
}

function guarded<Result>(work: () => Result, code: TokenErrorCode, sentence: string): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof CodecError || error instanceof NoiseError)
      throw new TokenError(code, `${sentence} (${error.message})`, { cause: error });
    throw error;
  }
}

/** A request is refused for a reason that is the buyer's own affair: it is kept for the buyer, and the seller is told no more than that. */
export class PrivateRefusal extends Error {
  override readonly name = "PrivateRefusal";
  readonly code: TokenErrorCode;
  /** Whose affair it is, if it is not the asker's: buyer and nonce in hex. */
  readonly of: { readonly buyer: string; readonly nonce: string } | undefined;

  constructor(code: TokenErrorCode, of?: { readonly buyer: string; readonly nonce: string }) {
    super(`a request was refused: ${code}`);
    this.code = code;
    this.of = of;
  }
}

/** What a seller, and whoever else brings a request, is told instead. One sentence for all reasons. */
export function refused(): TokenError {
  return new TokenError(
    "refused",
    "The issuer makes no tokens for this request. No money was taken. The buyer can ask the issuer why, and make another request.",
  );
}
