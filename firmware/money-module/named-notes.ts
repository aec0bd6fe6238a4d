/**
 * Notes that the host names (COMMAND_PAY_NOTES): they go whole, their sum is the amount, and only a teller gets them. It is
 * how notes that no subscriber takes any more, or will not take for long, are brought back (docs/PROTOCOLS.md, section 7).
 */

import { HOPS_MAX, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import {
  REASON_AMOUNT_TOO_LARGE,
  REASON_HOP_LIMIT,
  REASON_MALFORMED,
  REASON_NOT_FOUND,
  REASON_PAST_REDEMPTION,
  REASON_UNKNOWN_UNIT,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { noteFinalRedemption, NOTE_SPENDABLE, place } from "./note-directory";
import { pendingAddItem } from "./pending";
import { limitCheck } from "./spending-limits";
import { isRefresh, setAmount } from "./terms";
import { t } from "./transaction";

/** Their places; they mean something while the order is ORDER_PAY_NOTES. */
const NAMED = memory.data(PACKET_NOTES_MAX);
let count: u32 = 0;

/** Reads [place...]: in rising order, so that none is there twice. */
export function namedRead(r: Reader): i32 {
  const items = r.array();
  if (items == 0 || items > <u32>PACKET_NOTES_MAX) return -REASON_MALFORMED;
  let least: u64 = 0;
  for (let i: u32 = 0; i < items; i++) {
    const at = r.uint();
    if (r.failed != 0 || at < least || at >= <u64>WALLET_NOTES_MAX) return -REASON_MALFORMED;
    store<u8>(NAMED + i, <u8>at);
    least = at + 1;
  }
  count = items;
  return 0;
}

/** The transaction's amount and unit from the named notes; or why a teller would not take them. */
export function namedTerms(): i32 {
  assert(count > 0 && count <= <u32>PACKET_NOTES_MAX);
  const first = place(load<u8>(NAMED));
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const at: u32 = load<u8>(NAMED + i);
    const status = namedCheck(at);
    if (status < 0) return status;
    const p = place(at);
    if (p.currency != first.currency || p.exponent != first.exponent) return -REASON_UNKNOWN_UNIT;
    sum += p.amount;
    if (sum >> 63 != 0) return -REASON_AMOUNT_TOO_LARGE;
  }
  setAmount(sum, first.currency, first.exponent);
  return 0;
}

function namedCheck(at: u32): i32 {
  const p = place(at);
  if (p.state != NOTE_SPENDABLE) return -REASON_NOT_FOUND;
  if (p.hops >= <u32>HOPS_MAX) return -REASON_HOP_LIMIT;
  return noteFinalRedemption(at) <= clockNow() ? -REASON_PAST_REDEMPTION : 0;
}

/** Before the proposal, and before the offer: worth what was said, a teller takes them, and the owner's limit lets them go. */
export function namedStill(): i32 {
  const agreed = t.amount;
  const status = namedTerms();
  if (status < 0) return status;
  if (t.amount != agreed) return -REASON_WRONG_AMOUNT;
  return limitCheck(t.amount, t.currency, t.exponent, isRefresh());
}

/** The notes, whole, into the pending record. */
export function addNamed(): void {
  for (let i: u32 = 0; i < count; i++) {
    const at: u32 = load<u8>(NAMED + i);
    pendingAddItem(at, place(at).amount);
  }
}
