/**
 * Spending without the PIN, as at a parking meter: the owner allows an amount for a purse, and SPEND takes from it.
 * What a chip without its PIN tells a terminal is where such a purse is, and nothing of the others.
 */

import { ID_BYTES } from "../protocol/limits";
import { REASON_MALFORMED, REASON_NOT_FOUND, REASON_PURSE_CLOSED, REASON_PURSE_WAITING } from "../protocol/reasons";
import { NOTICE_PURSE_ALLOWED, NOTICE_PURSE_FOUND, PURSE_OPEN, PURSE_REQUESTED, PURSES_MAX } from "../protocol/tokens";
import { Reader } from "../lib/cbor";
import { noticeBegin, noticeEnd, outboxClear } from "../lib/envelope";
import { equal } from "../lib/memory";
import { pinVerified } from "../lib/pin";
import { leftOf } from "./choose";
import { other, p, purseClear, purseLoad, purseNamed, purseSave } from "./purse";
import { readAssertion, readUnit, writeStacks } from "./terms";

/** COMMAND_PURSE_ALLOW: 0, or an error. */
export function allowTake(r: Reader, items: u32): i32 {
  const slot = r.uint();
  const amount = r.amount();
  if (items != 3 || r.finish() < 0) return -REASON_MALFORMED;
  let status = purseNamed(slot);
  if (status < 0) return status;
  if (p.state != PURSE_OPEN) return p.state == PURSE_REQUESTED ? -REASON_PURSE_WAITING : -REASON_PURSE_CLOSED;
  p.allowance = amount;
  status = purseSave(<u32>slot, p);
  if (status < 0) return status;
  outboxClear();
  const w = noticeBegin(NOTICE_PURSE_ALLOWED, 3);
  w.uint(slot);
  w.uint(amount);
  noticeEnd();
  return 0;
}

/** COMMAND_PURSE_FIND: an open purse for this seller that can still be spent, the first in which something is left. 0, or an error. */
export function findTake(r: Reader, items: u32): i32 {
  purseClear(other);
  const seller = r.fixed(ID_BYTES);
  const unit = readUnit(r, other);
  readAssertion(r, other);
  if (items != 6 || r.finish() < 0) return -REASON_MALFORMED;
  if (unit < 0) return unit;
  let empty: i32 = -REASON_NOT_FOUND;
  for (let slot: u32 = 0; slot < <u32>PURSES_MAX; slot++) {
    const there = purseLoad(slot, p);
    if (there < 0) return there;
    if (there == 0 || p.state != PURSE_OPEN || !equal(p.seller, seller, ID_BYTES)) continue;
    if (!p.isGoodForSame(other) || p.isSpendingOver()) continue;
    if (!pinVerified() && p.allowance == 0) continue;
    if (leftOf(p) > 0) {
      tellFound(slot);
      return 0;
    }
    if (empty < 0) empty = slot;
  }
  if (empty < 0) return empty;
  const there = purseLoad(empty, p);
  if (there < 0) return there;
  tellFound(empty);
  return 0;
}

function tellFound(slot: u32): void {
  outboxClear();
  const w = noticeBegin(NOTICE_PURSE_FOUND, 5);
  w.uint(slot);
  w.bytes(p.id, ID_BYTES);
  writeStacks(w, p);
  w.uint(p.allowance);
  noticeEnd();
}
