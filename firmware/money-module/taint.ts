/**
 * Notes with somebody in their history who is on the bad-id list: their holder is honest, a teller takes them, and no
 * subscriber does. So they are not chosen for one.
 *
 * A history takes a buffer to read, and none is free while notes are chosen: it is looked at when the list is another one
 * than last time, at power-up and when a transaction begins. A list that comes in the middle of a session counts from the next;
 * until then the payee refuses.
 */

import { badIdsVersion } from "../lib/bad-ids";
import { INBOUND } from "../lib/io";
import { WALLET_NOTES_MAX } from "../protocol/limits";
import { noteRead, view } from "./note";
import { noteBytes, NOTE_SPENDABLE, place } from "./note-directory";
import { ancestorsCheck } from "./note-verify";

/** For each place 1 or 0. */
const tainted = memory.data(WALLET_NOTES_MAX, 8);
/** Of the list by which they were looked at. No list has version 0, and then nobody is on it. */
let lookedAt: u64 = 0;

/** At power-up, when list and directory are loaded. INBOUND is free then. */
export function taintBoot(): void {
  lookedAt = 0;
  memory.fill(tainted, 0, WALLET_NOTES_MAX);
  taintUpdate();
}

/** Looks at every note again if the list is another one. INBOUND must be free. */
export function taintUpdate(): void {
  if (lookedAt == badIdsVersion()) return;
  lookedAt = badIdsVersion();
  memory.fill(tainted, 0, WALLET_NOTES_MAX);
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    if (place(i).state == NOTE_SPENDABLE && historyCheck(i) < 0) store<u8>(tainted + i, 1);
  }
}

/** A note that comes in was looked at by the list of that moment. */
export function taintClear(i: u32): void {
  store<u8>(tainted + i, 0);
}

export function isTainted(i: u32): bool {
  return load<u8>(tainted + i) != 0;
}

/** 0, or an error. A history that cannot be read is as good as one with a listed id: nobody passes. INBOUND must be free. */
export function historyCheck(i: u32): i32 {
  const length = noteBytes(i, INBOUND);
  if (length < 0) return length;
  const status = noteRead(view, INBOUND, length);
  return status < 0 ? status : ancestorsCheck(view);
}
