/** What an issuer answers, as it travels and as it is kept: CBOR arrays of what is in parties.ts. */

import { PURSE_TOKENS_MAX } from "../../../firmware/protocol/tokens.js";
import { encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { asArray, asBytes, Fields } from "../../codec/read.js";
import type { BuyerPurse, IssuedPurses, Redemption, Refund, RefusedToken, Waiting } from "../parties.js";
import { SIGNED_BYTES_MAX } from "./common.js";

const ALL = Number.MAX_SAFE_INTEGER;
/** A reason travels as its place in this list. */
const REASONS: readonly RefusedToken["why"][] = ["already-redeemed", "wrong-secret", "unknown-serial"];

export function encodeBuyerPurse({ share, halves }: BuyerPurse): Uint8Array {
  return encode([share, halves]);
}

export function readBuyerPurse(bytes: Uint8Array): BuyerPurse {
  const fields = Fields.decode(bytes, "buyer's purse", 2);
  return buyerPurse(fields);
}

function buyerPurse(fields: Fields): BuyerPurse {
  const share = fields.bytes("share", 1, ALL);
  return { share, halves: fields.optional("halves", (value, name) => asBytes(value, name, 1, ALL)) };
}

export function encodeIssued({ sellerPurse, share, halves }: IssuedPurses): Uint8Array {
  return encode([sellerPurse, share, halves]);
}

export function readIssued(bytes: Uint8Array): IssuedPurses {
  const fields = Fields.decode(bytes, "issued purses", 3);
  const sellerPurse = fields.bytes("seller's purse", 1, ALL);
  return { sellerPurse, ...buyerPurse(fields) };
}

export function encodeRedemption({ notice, refused }: Redemption): Uint8Array {
  return encode([notice, refused.map(({ serial, why }) => [serial, REASONS.indexOf(why)])]);
}

export function readRedemption(bytes: Uint8Array): Redemption {
  const fields = Fields.decode(bytes, "redemption", 2);
  const notice = fields.bytes("notice", 1, SIGNED_BYTES_MAX);
  const refused = asArray(fields.value("refused tokens"), "refused tokens").map((value): RefusedToken => {
    const token = Fields.ofArray(value, "refused token", 2);
    const serial = token.uint("serial number", PURSE_TOKENS_MAX - 1);
    const why = REASONS[token.uint("reason", REASONS.length - 1)];
    if (why === undefined) throw new CodecError("refused token: no reason");
    return { serial, why };
  });
  return { notice, refused };
}

const RECALLED = 0;
const CLOSED = 1;

export function encodeRefund(refund: Refund): Uint8Array {
  return refund.state === "closed" ? encode([CLOSED, refund.notice]) : encode([RECALLED, refund.paidBy_seconds]);
}

export function readRefund(bytes: Uint8Array): Refund {
  const fields = Fields.decode(bytes, "refund", 2);
  if (fields.uint("state", CLOSED) === RECALLED) return { state: "recalled", paidBy_seconds: fields.uint("paid by") };
  return { state: "closed", notice: fields.bytes("notice", 1, SIGNED_BYTES_MAX) };
}

export function encodeWaiting({ purses, recalls, notices }: Waiting): Uint8Array {
  return encode([purses, recalls, notices]);
}

export function readWaiting(bytes: Uint8Array): Waiting {
  const fields = Fields.decode(bytes, "what waits", 3);
  const some = (name: string, max: number) =>
    asArray(fields.value(name), name).map((value) => asBytes(value, name, 1, max));
  const purses = some("purses", ALL);
  return { purses, recalls: some("recalls", SIGNED_BYTES_MAX), notices: some("notices", SIGNED_BYTES_MAX) };
}
