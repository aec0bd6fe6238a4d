/**
 * An agent's signed word on an approval, on which alone the card network completes or reverses it:
 *
 *   [1, approval hash, reference, reference kind, outcome]
 *
 * The reference is the pay-id, or, when no module session came about, the hash of the agents' session, which the agent
 * has closed durably before it signs. Ed25519 being deterministic, an outcome asked for again is the same bytes.
 */

import { HASH_BYTES } from "../platform/constants";
import { Writer } from "../lib/cbor";
import { coseSign } from "../lib/cose";
import { SIGNED_OUTCOME } from "../protocol/kinds";
import { OUTCOME_ABORTED, OUTCOME_COMMITTED, REFERENCE_PAYMENT, REFERENCE_SESSION } from "../protocol/messages";

const OUTCOME_VERSION: u64 = 1;
const PAYLOAD_BYTES: i32 = 80;
/** A signed outcome, at most. */
export const OUTCOME_BYTES_MAX: i32 = 160;

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const payload: usize = memory.data(PAYLOAD_BYTES, 8);

/** Writes the signed outcome; its length, or a platform error. Without a module session there is nothing committed. */
export function outcomeSign(
  approvalHash: usize,
  reference: usize,
  referenceKind: i32,
  outcome: i32,
  slot: u32,
  out: usize,
  capacity: u32,
): i32 {
  assert(outcome == OUTCOME_COMMITTED || outcome == OUTCOME_ABORTED);
  assert(referenceKind == REFERENCE_PAYMENT || (referenceKind == REFERENCE_SESSION && outcome == OUTCOME_ABORTED));
  writer.begin(payload, PAYLOAD_BYTES);
  writer.array(5);
  writer.uint(OUTCOME_VERSION);
  writer.bytes(approvalHash, HASH_BYTES);
  writer.bytes(reference, HASH_BYTES);
  writer.uint(referenceKind);
  writer.uint(outcome);
  const length = writer.finish();
  assert(length > 0);
  return coseSign(SIGNED_OUTCOME, slot, payload, length, out, capacity);
}
