/** What a mint, a seller or a buyer's host refuses. The code is for programs, the sentence for people. */

export const TOKEN_ERROR_CODES = [
  // Anybody.
  "malformed",
  "not-authentic",
  "unknown-purse",
  "unknown-issuer",
  "unknown-seller",
  "reused", // an id that must be new was used for something else
  // A mint, of a request.
  "refused", // for a reason that is the buyer's own affair
  "wrong-seller",
  "unknown-buyer",
  "insufficient-funds",
  "unit-refused",
  "not-proved", // the assertion
  "joint-mismatch", // the holders of a joint purse asked for different things
  "flush-first",
  "flushing", // the old purse of the pair is being recalled: ask again
  "waiting", // the other holders of a joint purse have not asked yet
  "out-of-date",
  // A seller, of a payment.
  "wrong-order",
  "unknown-serial",
  "half-spent",
  "half-altered",
  "wrong-purse",
  "half-missing", // a holder of a joint purse has not shown its half
  "purse-expired",
  "purse-recalled",
  "order-over", // it was paid and delivered, and the time in which it is delivered again is over
  "not-written", // the seller's books cannot be written now: the same order again
  // A mint, of a redemption or refund.
  "already-redeemed",
  "wrong-secret",
  "redemption-over",
  "purse-closed",
  // A buyer's host.
  "no-purse",
  "too-expensive",
  "unreachable",
] as const;

export type TokenErrorCode = (typeof TOKEN_ERROR_CODES)[number];

export function isTokenErrorCode(code: unknown): code is TokenErrorCode {
  return TOKEN_ERROR_CODES.some((known) => known === code);
}

export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;

  /** `message`: what happened, what it means for the money, what to do. */
  constructor(code: TokenErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
