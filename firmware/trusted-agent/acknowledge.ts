/**
 * LINK_ACKNOWLEDGE: a module forgets a payment only when its agent has stored the outcome and said so. The word may get
 * lost, and nothing answers it. So the agent keeps what is done, says it again whenever the link is opened, and forgets
 * when the module has answered anything that was sealed after it: the link delivers in order or not at all.
 */

import { HASH_BYTES } from "../platform/constants";
import { PENDING_MAX } from "../protocol/limits";
import { LINK_ACKNOWLEDGE } from "../protocol/messages";
import { compose, sendToModule } from "./messages";
import { other, PENDING_DONE, pendingDelete, pendingNext, SLOT_NONE } from "./pending";

/** Slots whose acknowledgement was sealed on the link that is open, and those that have been proved to have arrived. */
let told: u32 = 0;
let proved: u32 = 0;

export function acknowledgeReset(): void {
  told = 0;
  proved = 0;
}

/** The link was opened: nothing that was sealed on the one before is known to have arrived. */
export function acknowledgeAll(): i32 {
  told = 0;
  let slot = pendingNext(0, PENDING_DONE);
  while (slot != SLOT_NONE) {
    const status = acknowledge(slot, other.payId);
    if (status < 0) return status;
    slot = pendingNext(slot + 1, PENDING_DONE);
  }
  return 0;
}

/** Tells the module that the outcome of a payment is stored, and counts on its next answer to prove that it heard. */
export function acknowledge(slot: i32, payId: usize): i32 {
  const status = acknowledgeOnce(payId);
  if (status >= 0) told |= 1 << slot;
  return status;
}

/**
 * The same in the middle of a payment, where the module's next word may be older than this one, and proves nothing: a host
 * that kept this one back would have the agent forget what its module never can. It is said again on the next link.
 */
export function acknowledgeOnce(payId: usize): i32 {
  compose(LINK_ACKNOWLEDGE, 2).bytes(payId, HASH_BYTES);
  return sendToModule();
}

/** The module answered something that was sealed later. */
export function acknowledgeArrived(): void {
  proved |= told;
  told = 0;
}

/** How many records `acknowledgedDelete` will delete. */
export function acknowledgedCount(): u32 {
  return popcnt<u32>(proved);
}

/** Within a store transaction: deletes what the module is known to have been told. */
export function acknowledgedDelete(): i32 {
  for (let slot: i32 = 0; slot < PENDING_MAX; slot++) {
    if ((proved & (1 << slot)) == 0) continue;
    const status = pendingDelete(slot);
    if (status < 0) return status;
  }
  return 0;
}

/** After its commit. */
export function acknowledgedDeleted(): void {
  // What is gone may have been told again on a newer link: its slot may soon be another's.
  told &= ~proved;
  proved = 0;
}
