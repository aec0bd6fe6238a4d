/** Note Directory, choosing (WO 96/41315 fig. 12, steps 568-570; fig. 20, step 1566): which notes may leave, and which shall. */

import { RESTS_EXPIRED, RESTS_HOPS, RESTS_LAPSED, RESTS_LISTED } from "../protocol/apdu";
import { ROLE_GENERATOR, ROLE_TELLER } from "../protocol/kinds";
import { HOPS_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import { badIdsVersion } from "../lib/bad-ids";
import { clockNow } from "../lib/clock";
import { peerCertificate } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { REASON_INSUFFICIENT_FUNDS, REASON_ONLY_TO_TELLER } from "../protocol/reasons";
import { candidate, chooseNotes } from "./note-choice";
import { issuedRoom } from "./note-issue";
import { noteFinalRedemption, NOTE_SPENDABLE, place } from "./note-directory";
import { pendingAddItem } from "./pending";
import { limitCheck } from "./spending-limits";
import { historyCheck, isTainted } from "./taint";
import { isRefresh } from "./terms";

const SECONDS_A_DAY: u64 = 86400;

/** How many notes the last choice was made from. */
let candidates: u32 = 0;

/** Steps 568-570: fills the candidates and tries. The number of notes, or why this peer cannot be paid. */
export function fundsCheck(amount: u64, currency: u32, exponent: u32): i32 {
  const allowed = limitCheck(amount, currency, exponent, isRefresh());
  if (allowed < 0) return allowed;
  return fundsFor(amount, currency, exponent, peerCertificate.role == ROLE_TELLER);
}

/** The same before the peer is known: a teller would take every note, a subscriber only those that can go on. */
export function fundsFor(amount: u64, currency: u32, exponent: u32, isTeller: bool): i32 {
  if (elementRole() == ROLE_GENERATOR) return issuedRoom(currency, exponent, amount);
  let count: u32 = 0;
  let resting: u64 = 0;
  candidates = 0;
  const now = clockNow();
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    const p = place(i);
    if (p.state != NOTE_SPENDABLE || p.currency != currency || p.exponent != exponent) continue;
    // A note that is expired, tainted or cannot take another hop waits for a teller.
    if (!mayLeave(i, now, isTeller)) {
      resting += p.amount;
      continue;
    }
    const c = candidate(count);
    c.residual = p.amount;
    c.hops = p.hops;
    c.days = p.expiry > now ? <u32>((p.expiry - now) / SECONDS_A_DAY) : 0;
    c.index = i;
    count += 1;
  }
  candidates = count;
  const chosen = chooseNotes(count, amount);
  return chosen == -REASON_INSUFFICIENT_FUNDS && !isTeller && isThere(amount, resting)
    ? -REASON_ONLY_TO_TELLER
    : chosen;
}

/** Whether the notes that may leave and those that rest would do together. Sums of a wallet that exists do not overflow. */
function isThere(amount: u64, resting: u64): bool {
  let sum = resting;
  for (let i: u32 = 0; i < candidates; i++) sum += candidate(i).residual;
  return sum >= amount;
}

/**
 * The transferee takes it: a subscriber below the hop limit, before expiry, and with nobody in its history who is listed; a
 * teller until the final redemption date.
 */
function mayLeave(i: u32, now: u64, isTeller: bool): bool {
  const p = place(i);
  if (p.hops >= <u32>HOPS_MAX) return false;
  if (p.expiry > now) return isTeller || (p.hops + 1 < <u32>HOPS_MAX && !isTainted(i));
  return isTeller && noteFinalRedemption(i) > now;
}

/**
 * Why no subscriber takes this note any more, as bits; 0 when one does. A history that cannot be read is as good as one with
 * a listed id: nobody passes.
 */
export function restsWhy(i: u32): u32 {
  const p = place(i);
  const now = clockNow();
  let why: u32 = 0;
  if (p.expiry <= now) why |= RESTS_EXPIRED;
  if (p.hops + 1 >= <u32>HOPS_MAX) why |= RESTS_HOPS;
  if (noteFinalRedemption(i) <= now) why |= RESTS_LAPSED;
  // Most of the time nobody is on the list, and no note need be read. INBOUND is free: the command that asks brings no data.
  if (badIdsVersion() != 0 && historyCheck(i) < 0) why |= RESTS_LISTED;
  return why;
}

/** The parts that the last choice gave, into the pending record. */
export function addChosen(): void {
  for (let i: u32 = 0; i < candidates; i++) {
    const c = candidate(i);
    if (c.part != 0) pendingAddItem(c.index, c.part);
  }
}
