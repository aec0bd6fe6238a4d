/**
 * The money generator: makes the bodies of new notes and counts what it has issued. What is counted is what was
 * committed; a note whose transfer was aborted was never issued, and its id is never used again.
 *
 *     issued      [ version | exponent | currency u16 | amount u64 ]   one for each unit
 *     parameters  [issuer id, validity seconds, redemption seconds]    CBOR, STORE DATA
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { SIGNED_NOTE_BODY } from "../protocol/kinds";
import { ID_BYTES, UNITS_MAX } from "../protocol/limits";
import { REASON_ARITHMETIC, REASON_MALFORMED, REASON_NOT_PERMITTED, REASON_STORE_FULL } from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { coseSign } from "../lib/cose";
import { elementId } from "../lib/identity";
import { RECORD_PARAMETERS, RECORD_VERSION } from "../lib/records";
import { SLOT_SIGNATURE } from "../lib/slots";
import { storePut, storeRead } from "../lib/store";
import { NOTE_TYPE_CASH, NOTE_VERSION } from "./note";
import { RECORD_ISSUED } from "./records";

export const ISSUED_BYTES: u32 = 12;
const PARAMETERS_BYTES_MAX: u32 = 64;
const BODY_CAPACITY: u32 = 256;

/** The body made last. */
export const BODY = memory.data(256, 8);

const issued = memory.data(16, 8);
const parameters = memory.data(64, 8);
const payload = memory.data(160, 8);
const named = memory.data(24, 8);
const hash = memory.data(32, 8);
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

let validity: u64 = 0;
let redemption: u64 = 0;
let issuer: usize = 0;

/** Reads the generator's parameters. */
function loadParameters(): i32 {
  const length = storeRead(RECORD_PARAMETERS, 0, parameters, PARAMETERS_BYTES_MAX);
  if (length <= 1) return -REASON_NOT_PERMITTED;
  return parametersRead(parameters + 1, length - 1);
}

/** STORE DATA at a generator: well-formed, with times that leave a note some life. */
export function parametersRead(bytes: usize, length: u32): i32 {
  if (length >= PARAMETERS_BYTES_MAX) return -REASON_MALFORMED;
  reader.begin(bytes, length);
  reader.arrayOf(3);
  issuer = reader.fixed(ID_BYTES);
  validity = reader.uint();
  redemption = reader.uint();
  if (reader.finish() < 0) return -REASON_MALFORMED;
  return validity > 0 && validity < 0xffffffff && redemption < 0xffffffff ? 0 : -REASON_MALFORMED;
}

/** Makes the body of the note under transfer counter `counter` in BODY; its length. */
export function issueBody(counter: u64, currency: u32, exponent: u32, value: u64): i32 {
  let status = loadParameters();
  if (status < 0) return status;
  // A note id is unique because a counter is never used twice, and tells nothing about how many there are.
  memory.copy(named, elementId(), ID_BYTES);
  store<u64>(named, counter, ID_BYTES);
  status = sha256(named, ID_BYTES + 8, hash, HASH_BYTES);
  if (status < 0) return status;
  const now = clockNow();
  writer.begin(payload, 160);
  writer.array(11);
  writer.uint(NOTE_VERSION);
  writer.bytes(hash, ID_BYTES);
  writer.uint(NOTE_TYPE_CASH);
  writer.bytes(issuer, ID_BYTES);
  writer.uint(currency);
  writer.uint(exponent);
  writer.uint(value);
  writer.uint(now);
  writer.uint(now + validity);
  writer.uint(now + validity + redemption);
  writer.bytes(elementId(), ID_BYTES);
  const length = writer.finish();
  return length < 0 ? length : coseSign(SIGNED_NOTE_BODY, SLOT_SIGNATURE, payload, length, BODY, BODY_CAPACITY);
}

/** Loads the total of a unit, or of none; its place, or -REASON_STORE_FULL. */
function find(currency: u32, exponent: u32): i32 {
  for (let i: u32 = 0; i < <u32>UNITS_MAX; i++) {
    if (!issuedLoad(i)) {
      memory.fill(issued, 0, ISSUED_BYTES);
      store<u8>(issued, RECORD_VERSION);
      store<u8>(issued, <u8>exponent, 1);
      store<u16>(issued, <u16>currency, 2);
      return i;
    }
    if (issuedCurrency() == currency && issuedExponent() == exponent) return i;
  }
  return -REASON_STORE_FULL;
}

export function issuedLoad(i: u32): bool {
  return storeRead(RECORD_ISSUED | i, 0, issued, ISSUED_BYTES) == ISSUED_BYTES;
}

export function issuedCurrency(): u32 {
  return load<u16>(issued, 2);
}
export function issuedExponent(): u32 {
  return load<u8>(issued, 1);
}
export function issuedAmount(): u64 {
  return load<u64>(issued, 4);
}

/** Within the transaction that commits: adds to the total. */
export function issuedAdd(currency: u32, exponent: u32, amount: u64): i32 {
  const i = find(currency, exponent);
  if (i < 0) return i;
  const total = issuedAmount() + amount;
  if (total >> 63 != 0) return -REASON_ARITHMETIC;
  store<u64>(issued, total, 4);
  return storePut(RECORD_ISSUED | i, issued, ISSUED_BYTES);
}

/** Whether the total would still fit: asked before an offer, because a commit must not fail. */
export function issuedRoom(currency: u32, exponent: u32, amount: u64): i32 {
  const i = find(currency, exponent);
  if (i < 0) return i;
  return (issuedAmount() + amount) >> 63 != 0 ? -REASON_ARITHMETIC : 0;
}
