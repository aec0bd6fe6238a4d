/**
 * SPEND (EP 0 833 285 A2 fig. 7): the buyer's halves of as many tokens as make the amount, masked for one order. No
 * public-key cryptography: two keys from the seed, two HMACs a half.
 *
 * How far the tokens are spent, and for which order, is stored first, in one write; a half that leaves the chip is
 * never revealed for another order, whatever happens then. The same order again is shown the same halves. An order
 * can be paid in steps: `amount` is what it was paid in all, and what is new is the difference.
 */

import { HASH_BYTES, KEY_BYTES } from "../platform/constants";
import { SW_SECURITY_STATUS } from "../protocol/apdu";
import { ID_BYTES } from "../protocol/limits";
import {
  REASON_ALLOWANCE,
  REASON_INSUFFICIENT_FUNDS,
  REASON_MALFORMED,
  REASON_NOT_EXACT,
  REASON_NOT_FOUND,
  REASON_PURSE_CLOSED,
  REASON_PURSE_WAITING,
  REASON_SPENDING_OVER,
  REASON_UNEXPECTED,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import {
  DENOMINATIONS_MAX,
  HALF_BYTES,
  HALVES_PER_SPEND_MAX,
  NOTICE_PURSE_SPENT,
  ORDER_BYTES_MAX,
  PURSE_OPEN,
  PURSE_REQUESTED,
} from "../protocol/tokens";
import { Reader, Writer } from "../lib/cbor";
import { noticeBegin, noticeEnd, outboxClear } from "../lib/envelope";
import { equal } from "../lib/memory";
import { pinVerified } from "../lib/pin";
import { choose, chosen, leftOf } from "./choose";
import { goodsKey, keysForget, keysMake, maskedHalf, orderFits, orderHash, orderRead } from "./order";
import { p, PURSE_HAS_ORDER, purseNamed, purseSave } from "./purse";

/** First tokens that the host names; none of them when there are no `firsts`. */
const FIRSTS = memory.data(DENOMINATIONS_MAX * 4, 8);
let firsts: u32 = 0;

/** COMMAND_PURSE_SPEND: 0, a status word, or an error. */
export function spendTake(r: Reader, items: u32): i32 {
  const slot = r.uint();
  const order = r.bytes(1, ORDER_BYTES_MAX);
  const orderLength = r.length;
  const amount = r.amount();
  const skip = r.uint();
  readFirsts(r);
  if (items != 6 || r.finish() < 0) return -REASON_MALFORMED;
  let status = orderRead(order, orderLength);
  if (status < 0) return status;
  status = purseNamed(slot);
  if (status < 0 && status != -REASON_NOT_FOUND) return status;
  const isAgain = status == 0 && (p.flags & PURSE_HAS_ORDER) != 0 && equal(p.orderHash, orderHash, HASH_BYTES);
  // Who has neither the PIN nor an allowance is not told what is in the chip, or that there is nothing.
  if (!pinVerified() && (status < 0 || p.state != PURSE_OPEN || (p.allowance == 0 && !isAgain)))
    return SW_SECURITY_STATUS;
  if (status < 0) return status;
  // What is skipped cannot be spent any more: that is for the owner to decide.
  if (!pinVerified() && firsts != 0) return SW_SECURITY_STATUS;
  if (p.state != PURSE_OPEN) return p.state == PURSE_REQUESTED ? -REASON_PURSE_WAITING : -REASON_PURSE_CLOSED;
  status = orderFits(p, amount);
  if (status < 0) return status;
  if (p.isSpendingOver()) return -REASON_SPENDING_OVER;
  if (firsts != 0 && firsts != p.denominations) return -REASON_MALFORMED;
  status = isAgain ? sameFirsts() : newOrder();
  if (status < 0) return status;
  status = take(amount);
  if (status < 0) return status;
  const tokens = orderTokens();
  if (skip >= tokens) return -REASON_MALFORMED;
  if (status > 0) status = purseSave(<u32>slot, p);
  return status < 0 ? status : reveal(<u32>skip, min<u32>(tokens - <u32>skip, HALVES_PER_SPEND_MAX));
}

function readFirsts(r: Reader): void {
  firsts = 0;
  if (r.isNil()) return;
  firsts = r.array();
  if (firsts == 0 || firsts > <u32>DENOMINATIONS_MAX) r.fail(REASON_MALFORMED);
  for (let d: u32 = 0; d < firsts && r.failed == 0; d++) {
    const token = r.uint();
    if (token > u32.MAX_VALUE) r.fail(REASON_MALFORMED);
    store<u32>(FIRSTS + d * 4, <u32>token);
  }
}

/** The order is open: its first tokens were chosen when it was new. */
function sameFirsts(): i32 {
  for (let d: u32 = 0; d < firsts; d++) if (load<u32>(FIRSTS + d * 4) != p.first(d)) return -REASON_UNEXPECTED;
  return 0;
}

/**
 * Another order takes the place of the open one. What the host skips is never revealed; what was passed is not had
 * again.
 */
function newOrder(): i32 {
  p.flags |= PURSE_HAS_ORDER;
  p.revealed = 0;
  memory.copy(p.orderHash, orderHash, HASH_BYTES);
  for (let d: u32 = 0; d < p.denominations; d++) {
    const first = firsts == 0 ? p.next(d) : load<u32>(FIRSTS + d * 4);
    if (first < p.next(d) || first > p.count(d)) return -REASON_UNEXPECTED;
    p.setFirst(d, first);
    p.setNext(d, first);
  }
  return 0;
}

/** Takes tokens for what the order was not paid yet: 1 when there are new ones, 0 when not, or why it cannot be. */
function take(amount: u64): i32 {
  if (amount < p.revealed) return -REASON_WRONG_AMOUNT;
  const due = amount - p.revealed;
  if (due == 0) return 0;
  if (!pinVerified()) {
    if (due > p.allowance) return -REASON_ALLOWANCE;
    p.allowance -= due;
  }
  if (due > leftOf(p)) return -REASON_INSUFFICIENT_FUNDS;
  if (!choose(p, due)) return -REASON_NOT_EXACT;
  for (let d: u32 = 0; d < p.denominations; d++) p.setNext(d, p.next(d) + chosen(d));
  p.revealed = amount;
  return 1;
}

function orderTokens(): u32 {
  let tokens: u32 = 0;
  for (let d: u32 = 0; d < p.denominations; d++) tokens += p.next(d) - p.first(d);
  return tokens;
}

/** Halves from `skip` on, of what is stored as revealed; 0, or an error, after which the same order again gives them. */
function reveal(skip: u32, halves: u32): i32 {
  outboxClear();
  const w = noticeBegin(NOTICE_PURSE_SPENT, 8);
  w.bytes(p.id, ID_BYTES);
  w.uint(p.index);
  w.uint(p.revealed);
  writeRanges(w);
  w.uint(skip);
  let status = keysMake(p);
  if (status >= 0) status = writeHalves(w, skip, halves);
  if (status >= 0) {
    w.bytesHeader(KEY_BYTES);
    status = goodsKey(w.reserve(KEY_BYTES));
  }
  keysForget();
  if (status < 0) return status;
  noticeEnd();
  return 0;
}

/** [[first serial, count]...]: serial numbers go on from one denomination to the next. */
function writeRanges(w: Writer): void {
  let ranges: u32 = 0;
  for (let d: u32 = 0; d < p.denominations; d++) if (p.next(d) > p.first(d)) ranges += 1;
  w.array(ranges);
  let serial: u32 = 0;
  for (let d: u32 = 0; d < p.denominations; d++) {
    const count = p.next(d) - p.first(d);
    if (count > 0) {
      w.array(2);
      w.uint(serial + p.first(d));
      w.uint(count);
    }
    serial += p.count(d);
  }
}

function writeHalves(w: Writer, skip: u32, halves: u32): i32 {
  w.bytesHeader(halves * HALF_BYTES);
  let to = w.reserve(halves * HALF_BYTES);
  assert(to != 0 && halves <= <u32>HALVES_PER_SPEND_MAX);
  let serial: u32 = 0;
  let passed: u32 = 0;
  for (let d: u32 = 0; d < p.denominations && halves > 0; d++) {
    const count = p.next(d) - p.first(d);
    for (let i = skip > passed ? min(skip - passed, count) : 0; i < count && halves > 0; i++) {
      const status = maskedHalf(p, serial + p.first(d) + i, to);
      if (status < 0) return status;
      to += HALF_BYTES;
      halves -= 1;
    }
    passed += count;
    serial += p.count(d);
  }
  assert(halves == 0);
  return 0;
}
