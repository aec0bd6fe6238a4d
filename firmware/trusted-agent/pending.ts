/**
 * Pending transactions: what an agent must remember without power, stored before the step that makes it matter.
 *
 *     open      the receipt is agreed on; no module session yet. Without its live session it is aborted.
 *     paying    the pay-id is known and the own module may go on: from here the agent follows its module.
 *     closed    aborted while the card network was asked; kept until the host tells what the network said.
 *     done      committed; kept until the module is known to have the acknowledgement.
 *
 *     record  [ version | state | type | ticket + 1 | has approval | exponent | currency u16 | amount u64 | date u64 |
 *               peer id 16 | session hash 32 | receipt hash 32 | approval hash 32 | pay-id 32 ]
 */

import { HASH_BYTES } from "../platform/constants";
import { equal } from "../lib/memory";
import { RECORD_VERSION } from "../lib/records";
import { storeBegin, storeCommit, storeDelete, storePut, storeRead } from "../lib/store";
import { ID_BYTES, PENDING_MAX } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_PENDING } from "../protocol/reasons";
import { RECORD_PENDING } from "./records";

export const PENDING_OPEN: u32 = 1;
export const PENDING_PAYING: u32 = 2;
export const PENDING_CLOSED: u32 = 3;
export const PENDING_DONE: u32 = 4;


@unmanaged
export class Pending {
  version: u8;
  state: u8;
  type: u8;
  /** Index of the receipt in the holder, plus one; 0 for none. */
  ticket: u8;
  hasApproval: u8;
  exponent: u8;
  currency: u16;
  amount: u64;
  date: u64;

  get peerId(): usize {
    return changetype<usize>(this) + 24;
  }
  get session(): usize {
    return changetype<usize>(this) + 40;
  }
  get receiptHash(): usize {
    return changetype<usize>(this) + 72;
  }
  get approvalHash(): usize {
    return changetype<usize>(this) + 104;
  }
  get payId(): usize {
    return changetype<usize>(this) + 136;
  }
}

export const PENDING_BYTES: u32 = 168;
export const SLOT_NONE: i32 = -1;

/** The live transaction's record, as stored. */
export const live = changetype<Pending>(memory.data(168, 8));
/** A record looked at otherwise. */
export const other = changetype<Pending>(memory.data(168, 8));

let liveSlot: i32 = -1;

export function pendingLiveSlot(): i32 {
  return liveSlot;
}

/** The live transaction goes on without its record, or has none yet. */
export function pendingForget(): void {
  memory.fill(changetype<usize>(live), 0, PENDING_BYTES);
  liveSlot = SLOT_NONE;
}

export function pendingIsLive(): bool {
  return liveSlot != SLOT_NONE;
}

function keyOf(slot: i32): u32 {
  assert(slot >= 0 && slot < PENDING_MAX);
  return RECORD_PENDING + <u32>slot;
}

/** Reads a slot into `other`; false when it is empty. */
export function pendingRead(slot: i32): bool {
  assert(offsetof<Pending>() == 24);
  return storeRead(keyOf(slot), 0, changetype<usize>(other), PENDING_BYTES) == <i32>PENDING_BYTES;
}

/** A free slot, or -REASON_PENDING. */
export function pendingFreeSlot(): i32 {
  for (let slot: i32 = 0; slot < PENDING_MAX; slot++) {
    if (!pendingRead(slot)) return slot;
  }
  return -REASON_PENDING;
}

/** The slot of a transaction by its receipt, left in `other`; or -REASON_NOT_FOUND. */
export function pendingByReceipt(receiptHash: usize): i32 {
  for (let slot: i32 = 0; slot < PENDING_MAX; slot++) {
    if (pendingRead(slot) && equal(other.receiptHash, receiptHash, HASH_BYTES)) return slot;
  }
  return -REASON_NOT_FOUND;
}

/** The next slot from `from` on in a state, left in `other`; SLOT_NONE when there is none. */
export function pendingNext(from: i32, state: u32): i32 {
  for (let slot = from; slot < PENDING_MAX; slot++) {
    if (pendingRead(slot) && other.state == state) return slot;
  }
  return SLOT_NONE;
}

/** Within a store transaction: writes a record. */
export function pendingPut(slot: i32, record: Pending): i32 {
  record.version = RECORD_VERSION;
  return storePut(keyOf(slot), changetype<usize>(record), PENDING_BYTES);
}

/** Within a store transaction. */
export function pendingDelete(slot: i32): i32 {
  return storeDelete(keyOf(slot));
}

/** Fills `live` with what the transaction starts from; `pendingOpened` when it is stored. */
export function pendingDraft(type: u32, amount: u64, currency: u32, exponent: u32, date: u64): void {
  memory.fill(changetype<usize>(live), 0, PENDING_BYTES);
  live.state = <u8>PENDING_OPEN;
  live.type = <u8>type;
  live.amount = amount;
  live.currency = <u16>currency;
  live.exponent = <u8>exponent;
  live.date = date;
}

export function pendingOpened(slot: i32): void {
  liveSlot = slot;
}

export function pendingSetParties(peerId: usize, session: usize, receiptHash: usize): void {
  memory.copy(live.peerId, peerId, ID_BYTES);
  memory.copy(live.session, session, HASH_BYTES);
  memory.copy(live.receiptHash, receiptHash, HASH_BYTES);
}

/** The approval is known: stored before anything relies on it. */
export function pendingSetApproval(hash: usize): i32 {
  memory.copy(live.approvalHash, hash, HASH_BYTES);
  live.hasApproval = 1;
  return pendingWrite();
}

/** The pay-id is known: stored before the module may go on. */
export function pendingSetPayId(payId: usize): i32 {
  memory.copy(live.payId, payId, HASH_BYTES);
  live.state = <u8>PENDING_PAYING;
  return pendingWrite();
}

/** Writes `live` in a transaction of its own. */
function pendingWrite(): i32 {
  assert(liveSlot != SLOT_NONE);
  return pendingRewrite(liveSlot, live);
}

export function pendingRewrite(slot: i32, record: Pending): i32 {
  let status = storeBegin(PENDING_BYTES, 1);
  if (status >= 0) status = pendingPut(slot, record);
  return status < 0 ? status : storeCommit();
}

/** Deletes one in a transaction of its own. */
export function pendingDrop(slot: i32): i32 {
  let status = storeBegin(0, 1);
  if (status >= 0) status = pendingDelete(slot);
  return status < 0 ? status : storeCommit();
}
