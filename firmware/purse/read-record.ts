/** READ RECORD of FILE_PURSES: one record for each purse, in the order of their slots; all but its keys. */

import { HASH_BYTES } from "../platform/constants";
import {
  FILE_PURSES,
  SW_MEMORY_FAILURE,
  SW_NOT_FOUND,
  SW_OK,
  SW_RECORD_NOT_FOUND,
  SW_SECURITY_STATUS,
  SW_WRONG_P1P2,
} from "../protocol/apdu";
import { ENVELOPE_BYTES_MAX, ID_BYTES } from "../protocol/limits";
import { PURSE_REQUESTED, PURSES_MAX } from "../protocol/tokens";
import { Writer } from "../lib/cbor";
import { isUsable } from "../lib/dispatcher";
import { IO } from "../lib/io";
import { responseSet } from "../lib/personalise";
import { pinVerified } from "../lib/pin";
import { p, PURSE_HAS_ORDER, purseLoad, pursesForget } from "./purse";
import { writeAssertion, writeStacks } from "./terms";

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));

/** A status word. */
export function readRecord(number: i32, p2: i32): i32 {
  if (!pinVerified()) return SW_SECURITY_STATUS;
  if ((p2 & 7) != 4) return SW_WRONG_P1P2;
  if (p2 >> 3 != FILE_PURSES || !isUsable()) return SW_NOT_FOUND;
  const slot = slotOf(number);
  writer.begin(IO, ENVELOPE_BYTES_MAX);
  if (slot >= 0 && slot < PURSES_MAX) writePurse(slot);
  pursesForget();
  if (slot < 0) return SW_MEMORY_FAILURE;
  if (slot == PURSES_MAX) return SW_RECORD_NOT_FOUND;
  const length = writer.finish();
  assert(length > 0);
  responseSet(length);
  return SW_OK;
}

/** The slot of the purse of this number, from 1, which is in `p` then; PURSES_MAX when there is none, or an error. */
function slotOf(number: i32): i32 {
  let found = 0;
  for (let slot: u32 = 0; slot < <u32>PURSES_MAX; slot++) {
    const there = purseLoad(slot, p);
    if (there < 0) return there;
    found += there;
    if (there == 1 && found == number) return slot;
  }
  return PURSES_MAX;
}

function writePurse(slot: u32): void {
  const w = writer;
  w.array(18);
  w.uint(slot);
  w.uint(p.state);
  w.bytes(p.nonce, ID_BYTES);
  if (p.state == PURSE_REQUESTED) w.nil();
  else w.bytes(p.id, ID_BYTES);
  w.bytes(p.issuer, ID_BYTES);
  w.bytes(p.seller, ID_BYTES);
  w.uint(p.kind);
  w.uint(p.currency);
  w.uint(p.exponent);
  writeStacks(w, p);
  w.uint(p.spendBy);
  w.uint(p.redeemBy);
  writeAssertion(w, p);
  w.uint(p.allowance);
  if ((p.flags & PURSE_HAS_ORDER) == 0) w.nil();
  else w.bytes(p.orderHash, HASH_BYTES);
  w.uint(p.revealed);
  w.uint(p.holders);
  w.uint(p.index);
}
