/**
 * What payment adds to a receipt (WO 96/41315 fig. 12, step 634): `[1, receipt hash, pay-id, date]`, signed by the agent
 * that holds the receipt. The receipt itself, which its issuer signed, never changes.
 */

import { HASH_BYTES } from "../platform/constants";
import { Writer } from "../lib/cbor";
import { coseSign } from "../lib/cose";
import { SIGNED_ANNEX } from "../protocol/kinds";

const ANNEX_VERSION: u64 = 1;
const PAYLOAD_BYTES: i32 = 80;
/** A signed annex, at most. */
export const ANNEX_BYTES_MAX: i32 = 160;

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const payload: usize = memory.data(PAYLOAD_BYTES, 8);

/** Writes the signed annex; its length, or a platform error. */
export function annexSign(receiptHash: usize, payId: usize, date: u64, slot: u32, out: usize, capacity: u32): i32 {
  writer.begin(payload, PAYLOAD_BYTES);
  writer.array(4);
  writer.uint(ANNEX_VERSION);
  writer.bytes(receiptHash, HASH_BYTES);
  writer.bytes(payId, HASH_BYTES);
  writer.uint(date);
  const length = writer.finish();
  assert(length > 0);
  return coseSign(SIGNED_ANNEX, slot, payload, length, out, capacity);
}
