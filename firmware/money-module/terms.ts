/** What is paid: amount, unit, and a memo, as they stand in messages and in the transaction under way. */

import { ROLE_TELLER } from "../protocol/kinds";
import { MEMO_BYTES_MAX } from "../protocol/limits";
import { REFRESH_MEMO_HIGH, REFRESH_MEMO_LOW } from "../protocol/messages";
import {
  REASON_AMOUNT_TOO_LARGE,
  REASON_AMOUNT_ZERO,
  REASON_MALFORMED,
  REASON_UNKNOWN_UNIT,
} from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { peerCertificate } from "../lib/establish";
import { load64 } from "../lib/io";
import * as T from "./transaction";
import { t } from "./transaction";

/** An amount that can be paid at all: 0, or why not. */
export function amountCheck(amount: u64, currency: u64, exponent: u64): i32 {
  if (amount == 0) return -REASON_AMOUNT_ZERO;
  if (amount >> 63 != 0) return -REASON_AMOUNT_TOO_LARGE;
  return currency == 0 || currency > 999 || exponent > 9 ? -REASON_UNKNOWN_UNIT : 0;
}

/** Reads amount, unit and memo into the transaction. */
export function readTerms(r: Reader): i32 {
  const amount = r.uint();
  const currency = r.uint();
  const exponent = r.uint();
  const malformed = readMemo(r);
  if (malformed < 0) return malformed;
  const status = amountCheck(amount, currency, exponent);
  if (status < 0) return status;
  setAmount(amount, <u32>currency, <u32>exponent);
  return 0;
}

/** Reads a memo, or that there is none, into the transaction. */
export function readMemo(r: Reader): i32 {
  let length: u32 = 0;
  let bytes: usize = 0;
  if (!r.isNil()) {
    bytes = r.bytes(0, MEMO_BYTES_MAX);
    length = r.length;
  }
  if (r.failed != 0) return -REASON_MALFORMED;
  T.setMemo(bytes, length);
  return 0;
}

/**
 * Payer, with the peer known: whether a bank receives this for the account on which it owes this module alone. The teller's word
 * for it is not enough: what it states as the payee of a request is none.
 */
export function isRefresh(): bool {
  const isProposed = t.order == T.ORDER_PAY || t.order == T.ORDER_PAY_NOTES;
  if (!isProposed || peerCertificate.role != ROLE_TELLER || t.memoLength != 8) return false;
  return load64(T.memo) == (((<u64>REFRESH_MEMO_HIGH) << 32) | (<u64>REFRESH_MEMO_LOW));
}

export function setAmount(amount: u64, currency: u32, exponent: u32): void {
  t.amount = amount;
  t.currency = currency;
  t.exponent = exponent;
}

/** Amount, unit and memo: four items of an array. */
export function writeTerms(w: Writer): void {
  w.uint(t.amount);
  w.uint(t.currency);
  w.uint(t.exponent);
  if (t.memoLength == 0) w.nil();
  else w.bytes(T.memo, t.memoLength);
}
