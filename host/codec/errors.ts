import { REASON_MALFORMED } from "../../firmware/protocol/reasons.js";

/** Bytes that were refused. `reason` is the number that an element would give for the same bytes. */
export class CodecError extends Error {
  override readonly name = "CodecError";
  readonly reason: number;

  constructor(message: string, reason: number = REASON_MALFORMED) {
    super(message);
    this.reason = reason;
  }
}
