/**
 * The owner's PIN and PUK. A try is taken from the counter in flash before the digits are compared, so that pulling the
 * power gains nothing. The digits are kept as a derivation by a secret of the chip, worthless off the chip.
 *
 *     record  [ version | tries left | tag 32 ]
 */

import { slotDerive } from "../platform/imports";
import { PIN_DIGITS_MAX, PIN_DIGITS_MIN, PIN_TRIES, PUK_TRIES } from "../protocol/limits";
import {
  SW_BLOCKED,
  SW_MEMORY_FAILURE,
  SW_OK,
  SW_REFERENCE_DATA_UNUSABLE,
  SW_WARNING_TRIES,
  SW_WRONG_DATA,
} from "../protocol/apdu";
import { equalConstantTime, wipe } from "./memory";
import { RECORD_PIN, RECORD_PUK, RECORD_VERSION } from "./records";
import { SLOT_STORE } from "./slots";
import { storeRead } from "./store";
import { writeRecord } from "./identity";

const TAG_AT: u32 = 2;
const TAG_LENGTH: u32 = 32;
const RECORD_BYTES: u32 = 34;

const record = memory.data(40, 8);
const tag = memory.data(32, 8);
/** "reference" and which, then the digits. */
const info = memory.data(32, 8);
const LABEL = memory.data<u8>([0x72, 0x65, 0x66, 0x65, 0x72, 0x65, 0x6e, 0x63, 0x65]);
const LABEL_BYTES: u32 = 9;

let verified: bool = false;

/** After power-up, and when the owner walks away. */
export function pinForget(): void {
  verified = false;
}

export function pinVerified(): bool {
  return verified;
}

/** Tries left; -1 when there is no such reference data. */
export function pinTries(reference: u32): i32 {
  if (storeRead(reference, 0, record, RECORD_BYTES) != RECORD_BYTES) return -1;
  return load<u8>(record, 1);
}

/** Sets new digits with all their tries. A status word. */
export function pinSet(reference: u32, digits: usize, length: u32): i32 {
  if (!digitsFit(digits, length)) return SW_WRONG_DATA;
  if (!derive(reference, digits, length)) return SW_MEMORY_FAILURE;
  store<u8>(record, RECORD_VERSION);
  store<u8>(record, <u8>triesOf(reference), 1);
  memory.copy(record + TAG_AT, tag, TAG_LENGTH);
  wipe(tag, TAG_LENGTH);
  return writeRecord(reference, record, RECORD_BYTES) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

/** VERIFY. A status word: 9000, 63Cx, 6983, or 6984 when there is nothing to compare with. */
export function pinVerify(digits: usize, length: u32): i32 {
  verified = false;
  const status = compare(RECORD_PIN, digits, length);
  verified = status == SW_OK;
  return status;
}

/** CHANGE REFERENCE DATA of the PIN. */
export function pinChange(old: usize, oldLength: u32, digits: usize, length: u32): i32 {
  if (!digitsFit(digits, length)) return SW_WRONG_DATA;
  verified = false;
  const status = compare(RECORD_PIN, old, oldLength);
  return status == SW_OK ? pinSet(RECORD_PIN, digits, length) : status;
}

/** RESET RETRY COUNTER: the PUK gives a new PIN. */
export function pinUnblock(puk: usize, pukLength: u32, digits: usize, length: u32): i32 {
  if (!digitsFit(digits, length)) return SW_WRONG_DATA;
  verified = false;
  const status = compare(RECORD_PUK, puk, pukLength);
  return status == SW_OK ? pinSet(RECORD_PIN, digits, length) : status;
}

function compare(reference: u32, digits: usize, length: u32): i32 {
  const tries = pinTries(reference);
  if (tries < 0) return SW_REFERENCE_DATA_UNUSABLE;
  if (tries == 0) return SW_BLOCKED;
  if (length > <u32>PIN_DIGITS_MAX) return SW_WRONG_DATA;
  store<u8>(record, <u8>(tries - 1), 1);
  if (writeRecord(reference, record, RECORD_BYTES) < 0) return SW_MEMORY_FAILURE;
  if (!derive(reference, digits, length)) return SW_MEMORY_FAILURE;
  const right = equalConstantTime(tag, record + TAG_AT, TAG_LENGTH);
  wipe(tag, TAG_LENGTH);
  if (!right) return tries == 1 ? SW_BLOCKED : SW_WARNING_TRIES | (tries - 1);
  store<u8>(record, <u8>triesOf(reference), 1);
  return writeRecord(reference, record, RECORD_BYTES) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

function triesOf(reference: u32): i32 {
  assert(reference == RECORD_PIN || reference == RECORD_PUK);
  return reference == RECORD_PIN ? PIN_TRIES : PUK_TRIES;
}

function derive(reference: u32, digits: usize, length: u32): bool {
  memory.copy(info, LABEL, LABEL_BYTES);
  store<u8>(info + LABEL_BYTES, <u8>reference);
  memory.copy(info + LABEL_BYTES + 1, digits, length);
  const status = slotDerive(SLOT_STORE, info, LABEL_BYTES + 1 + length, tag, TAG_LENGTH);
  wipe(info, 32);
  return status >= 0;
}

function digitsFit(digits: usize, length: u32): bool {
  if (length < <u32>PIN_DIGITS_MIN || length > <u32>PIN_DIGITS_MAX) return false;
  for (let i: u32 = 0; i < length; i++) {
    const digit = load<u8>(digits + i);
    if (digit < 0x30 || digit > 0x39) return false;
  }
  return true;
}
