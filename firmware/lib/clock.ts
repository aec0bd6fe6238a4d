/**
 * Date and time. A chip knows only the seconds since power-up; the host says what time it is when it opens the element
 * (patent, Date/Time 136 and 154), and the floor says what time it is at least.
 *
 * The floor is raised by issuers' signed times alone and is kept. The host's time counts if it is above the floor, until
 * power-off, and is never kept: a host that lies can make today's transactions fail, and nothing worse.
 *
 *     record  [ version | floor u64 ]
 */

import { clockSeconds } from "../platform/imports";
import { RECORD_CLOCK, RECORD_VERSION } from "./records";
import { storeRead } from "./store";
import { writeRecord } from "./identity";
import { SECONDS_BITS } from "../protocol/limits";

const record = memory.data(16, 8);
const RECORD_BYTES: u32 = 9;

let floor: u64 = 0;
/** Host's date less the chip's tick at that moment; 0 before a host said anything. */
let base: u64 = 0;

export function clockLoad(): void {
  floor = 0;
  base = 0;
  if (storeRead(RECORD_CLOCK, 0, record, RECORD_BYTES) == RECORD_BYTES) floor = load<u64>(record, 1);
}

/** The host's date and time; false when it is below the floor or no date at all. */
export function clockOpen(seconds: u64): bool {
  if (seconds >> SECONDS_BITS != 0 || seconds == 0 || seconds < floor) return false;
  const tick = clockSeconds();
  if (tick < 0 || <u64>tick > seconds) return false;
  base = seconds - <u64>tick;
  return true;
}

/** Seconds since 1970; 0 while no host has said what time it is. */
export function clockNow(): u64 {
  if (base == 0) return 0;
  const now = base + <u64>clockSeconds();
  return now > floor ? now : floor;
}

export function clockFloor(): u64 {
  return floor;
}

/** Raises the floor to an issuer's signed time; a time below it changes nothing. */
export function clockRaise(seconds: u64): i32 {
  if (seconds <= floor) return 0;
  store<u8>(record, RECORD_VERSION);
  store<u64>(record, seconds, 1);
  const status = writeRecord(RECORD_CLOCK, record, RECORD_BYTES);
  if (status >= 0) floor = seconds;
  return status;
}
