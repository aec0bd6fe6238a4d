/** GET DATA and READ RECORD of the money module: balance, pending payments, totals issued, notes, log. */

import { HASH_BYTES } from "../platform/constants";
import * as A from "../protocol/apdu";
import { ROLE_GENERATOR, ROLE_TRANSACTION } from "../protocol/kinds";
import {
  ENVELOPE_BYTES_MAX,
  ID_BYTES,
  LIMIT_UNITS_MAX,
  PENDING_MAX,
  UNITS_MAX,
  WALLET_NOTES_MAX,
} from "../protocol/limits";
import { Writer } from "../lib/cbor";
import { elementRole } from "../lib/identity";
import { IO } from "../lib/io";
import { logRead } from "../lib/log";
import { responseSet } from "../lib/personalise";
import { pinVerified } from "../lib/pin";
import { tlv16, tlv64, tlv8, tlvBegin, tlvBytes, tlvClose, tlvLength, tlvOpen } from "../lib/tlv";
import { restsWhy } from "./funds";
import { noteDescribe, noteNumber, NOTE_REDEEMING, NOTE_SPENDABLE, place } from "./note-directory";
import { issuedAmount, issuedCurrency, issuedExponent, issuedLoad } from "./note-issue";
import {
  PENDING_DOUBT,
  PENDING_OFFERED,
  pendingAmount,
  pendingCurrency,
  pendingExponent,
  pendingFlags,
  pendingLoad,
  pendingPayId,
  pendingPeer,
  pendingState,
} from "./pending";
import { limitCurrency, limitDay, limitExponent, limitLoad, limitPayment, limitSpent } from "./spending-limits";

/** One line of the balance: [ currency u32 | exponent u32 | spendable u64 | offered u64 | in doubt u64 ] */
const LINE_BYTES: u32 = 32;
const LINES = memory.data(256, 8);
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));

let lines: u32 = 0;

/** A status word. */
export function getData(tag: i32): i32 {
  if (tag < A.TAG_BALANCE || tag > A.TAG_LIMITS) return A.SW_REFERENCED_DATA_NOT_FOUND;
  if (!pinVerified()) return A.SW_SECURITY_STATUS;
  tlvBegin();
  const template = tlvOpen(tag);
  if (tag == A.TAG_BALANCE) writeBalance();
  else if (tag == A.TAG_PENDING) writePending();
  else if (tag == A.TAG_ISSUED && elementRole() == ROLE_GENERATOR) writeIssued();
  else if (tag != A.TAG_LIMITS || elementRole() != ROLE_TRANSACTION) return A.SW_REFERENCED_DATA_NOT_FOUND;
  else if (!writeLimits()) return A.SW_MEMORY_FAILURE;
  tlvClose(template);
  responseSet(tlvLength());
  return A.SW_OK;
}

/** Line of a unit; a wallet with more units than lines shows the rest in the notes. */
function line(currency: u32, exponent: u32): usize {
  for (let i: u32 = 0; i < lines; i++) {
    const at = LINES + i * LINE_BYTES;
    if (load<u32>(at) == currency && load<u32>(at, 4) == exponent) return at;
  }
  if (lines == <u32>UNITS_MAX) return 0;
  const at = LINES + lines * LINE_BYTES;
  memory.fill(at, 0, LINE_BYTES);
  store<u32>(at, currency);
  store<u32>(at, exponent, 4);
  lines += 1;
  return at;
}

function add(at: usize, offset: usize, amount: u64): void {
  if (at != 0) store<u64>(at + offset, load<u64>(at + offset) + amount);
}

/** What is offered is still in the notes: it is shown beside them, and taken off what can be spent. */
function writeBalance(): void {
  assert(LINE_BYTES * UNITS_MAX == 256);
  lines = 0;
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    const p = place(i);
    // What is set aside for redemption is the bank's still, until its module has destroyed it.
    if (p.state == NOTE_SPENDABLE || p.state == NOTE_REDEEMING) add(line(p.currency, p.exponent), 8, p.amount);
  }
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingLoad(i)) continue;
    const at = line(pendingCurrency(), pendingExponent());
    if (pendingState() == PENDING_DOUBT) add(at, 24, pendingAmount());
    if (pendingState() != PENDING_OFFERED || elementRole() == ROLE_GENERATOR) continue;
    add(at, 16, pendingAmount());
    if (at != 0) store<u64>(at, load<u64>(at, 8) - pendingAmount(), 8);
  }
  for (let i: u32 = 0; i < lines; i++) writeLine(LINES + i * LINE_BYTES);
}

function writeLine(at: usize): void {
  const entry = tlvOpen(0xe1);
  tlv16(0x80, load<u32>(at));
  tlv8(0x81, load<u32>(at, 4));
  tlv64(0x82, load<u64>(at, 8));
  tlv64(0x83, load<u64>(at, 16));
  tlv64(0x84, load<u64>(at, 24));
  tlvClose(entry);
}

function writePending(): void {
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingLoad(i)) continue;
    const entry = tlvOpen(0xe2);
    tlvBytes(0x80, pendingPayId(), HASH_BYTES);
    tlvBytes(0x81, pendingPeer(), ID_BYTES);
    tlv8(0x82, pendingState());
    tlv16(0x83, pendingCurrency());
    tlv8(0x84, pendingExponent());
    tlv64(0x85, pendingAmount());
    tlv8(0x86, pendingFlags());
    tlvClose(entry);
  }
}

function writeIssued(): void {
  for (let i: u32 = 0; i < <u32>UNITS_MAX && issuedLoad(i); i++) {
    const entry = tlvOpen(0xe1);
    tlv16(0x80, issuedCurrency());
    tlv8(0x81, issuedExponent());
    tlv64(0x82, issuedAmount());
    tlvClose(entry);
  }
}

/** False when one of them cannot be read: that there is none would be a lie. */
function writeLimits(): bool {
  for (let i: u32 = 0; i < <u32>LIMIT_UNITS_MAX; i++) {
    const there = limitLoad(i);
    if (there < 0) return false;
    if (there == 0) continue;
    const entry = tlvOpen(0xe1);
    tlv16(0x80, limitCurrency());
    tlv8(0x81, limitExponent());
    tlv64(0x82, limitPayment());
    tlv64(0x83, limitDay());
    tlv64(0x84, limitSpent());
    tlvClose(entry);
  }
  return true;
}

/** READ RECORD. A status word. */
export function readRecord(number: i32, p2: i32): i32 {
  if (!pinVerified()) return A.SW_SECURITY_STATUS;
  if ((p2 & 7) != 4) return A.SW_WRONG_P1P2;
  writer.begin(IO, ENVELOPE_BYTES_MAX);
  let found = false;
  if (p2 >> 3 == A.FILE_LOG) found = logRead(number, writer);
  else if (p2 >> 3 == A.FILE_NOTES) found = readNote(number);
  else return A.SW_NOT_FOUND;
  const length = writer.finish();
  if (!found || length < 0) return A.SW_RECORD_NOT_FOUND;
  responseSet(length);
  return A.SW_OK;
}

function readNote(number: u32): bool {
  const at = noteNumber(number);
  return at >= 0 && noteDescribe(at, restsWhy(at), writer);
}
