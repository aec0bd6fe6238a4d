/**
 * Notes and Public Key of the transferor (WO 96/41315 fig. 20, steps 1568-1572): the note as it leaves, with a new
 * transfer record appended and signed.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { SIGNED_TRANSFER } from "../protocol/kinds";
import { CERTIFICATE_BYTES_MAX, ID_BYTES, NOTE_BYTES_MAX, NOTE_ISSUERS_MAX } from "../protocol/limits";
import { REASON_NOTE_INVALID } from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { coseSign } from "../lib/cose";
import { elementChain, elementChainLength, elementId } from "../lib/identity";
import { SLOT_SIGNATURE } from "../lib/slots";
import { issuerCertificate, issuerCertificateLength, lastTransfer, NOTE_VERSION, NoteView, transfer } from "./note";
import { earlierCertificate } from "./note-verify";

/** What a record says that its note does not. */
@unmanaged
export class NewTransfer {
  transferee: usize;
  lock: usize;
  counter: u64;
  amount: u64;
}

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const RECORD_CAPACITY: u32 = 256;
/** A signed record whose every number is as long as it can be. */
const RECORD_LENGTH_MAX: u32 = 192;
const PAYLOAD_CAPACITY: u32 = 160;
const recordBytes = memory.data(256, 8);
const payload = memory.data(160, 8);
const hash = memory.data(32, 8);

let ownCertificate: usize = 0;
let ownCertificateLength: u32 = 0;
let ownIssuer: usize = 0;
let ownIssuerLength: u32 = 0;

/** Own certificate and own security server's, out of the own chain. */
function findOwn(): void {
  reader.begin(elementChain(), elementChainLength());
  reader.arrayOf(2);
  ownCertificate = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  ownCertificateLength = reader.length;
  ownIssuer = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  ownIssuerLength = reader.length;
  assert(reader.finish() == 0);
}

/** Signs the next record after `before`; its length, it lies in `recordBytes`. */
function sign(before: usize, beforeLength: u32, n: NewTransfer): i32 {
  const hashed = sha256(before, beforeLength, hash, HASH_BYTES);
  if (hashed < 0) return hashed;
  writer.begin(payload, PAYLOAD_CAPACITY);
  writer.array(7);
  writer.uint(NOTE_VERSION);
  writer.bytes(hash, HASH_BYTES);
  writer.bytes(n.transferee, ID_BYTES);
  writer.uint(n.counter);
  writer.uint(n.amount);
  writer.uint(clockNow());
  writer.bytes(n.lock, HASH_BYTES);
  const length = writer.finish();
  return length < 0 ? length : coseSign(SIGNED_TRANSFER, SLOT_SIGNATURE, payload, length, recordBytes, RECORD_CAPACITY);
}

/** A held note with one more record, written as a byte string; `key` opens the record that gave it to this module. */
export function composeHeld(w: Writer, view: NoteView, key: usize, n: NewTransfer): i32 {
  findOwn();
  const last = lastTransfer(view);
  const record = sign(last.record, last.recordLength, n);
  if (record < 0) return record;
  const named = isNamed(view);
  const knows = knowsIssuer(view);
  if (!named && !knows && view.issuers == <u32>NOTE_ISSUERS_MAX) return -REASON_NOTE_INVALID;
  // The byte string's header needs the length first, so the note is measured before it is written.
  w.bytesHeader(heldLength(view, <u32>record, named, knows));
  const start = w.at;
  writeHeld(w, view, key, <u32>record, named, knows);
  assert(w.failed != 0 || w.at - start == heldLength(view, <u32>record, named, knows));
  return w.failed != 0 ? -w.failed : 0;
}

/**
 * Whether this module can pass the note on as it stands: there is room for one more record and, if the note does not know
 * it yet, for this module's certificate and its security server's. What cannot grow is worth nothing to a subscriber.
 */
export function canGrow(view: NoteView): bool {
  findOwn();
  const named = isNamed(view);
  const knows = knowsIssuer(view);
  if (!named && !knows && view.issuers == <u32>NOTE_ISSUERS_MAX) return false;
  return heldLength(view, RECORD_LENGTH_MAX, named, knows) <= <u32>NOTE_BYTES_MAX;
}

/** Whether the certificate that this module signs under stands in the note already. An older one of it would not do. */
function isNamed(view: NoteView): bool {
  const at = earlierCertificate(view, view.hops, elementId());
  if (at < 0) return false;
  const bytes = at == 0 ? view.generatorCertificate : transfer(view, at - 1).certificate;
  const length = at == 0 ? view.generatorCertificateLength : transfer(view, at - 1).certificateLength;
  return length == ownCertificateLength && memory.compare(bytes, ownCertificate, length) == 0;
}

function writeHeld(w: Writer, view: NoteView, key: usize, record: u32, named: bool, knows: bool): void {
  w.array(5);
  w.uint(NOTE_VERSION);
  w.bytes(view.body, view.bodyLength);
  w.bytes(view.generatorCertificate, view.generatorCertificateLength);
  w.array(view.hops + 1);
  // Every entry but the last as it stands; the last one gets its key, in the place of a null.
  w.raw(view.entries, view.entriesLength - 1);
  w.bytes(key, HASH_BYTES);
  writeEntry(w, record, !named);
  w.array(view.issuers + (named || knows ? 0 : 1));
  w.raw(view.issuerItems, view.issuerItemsLength);
  if (!named && !knows) w.bytes(ownIssuer, ownIssuerLength);
}

function heldLength(view: NoteView, record: u32, named: bool, knows: bool): u32 {
  // Array heads take one byte each: counts stay below 24.
  assert(view.hops + 1 < 24 && view.issuers + 1 < 24);
  let length = 1 + 1 + headed(view.bodyLength) + headed(view.generatorCertificateLength) + 1;
  length += view.entriesLength - 1 + headed(HASH_BYTES) + entryLength(record, !named) + 1 + view.issuerItemsLength;
  return named || knows ? length : length + headed(ownIssuerLength);
}

/** A fresh note: the generator's own first transfer. */
export function composeFresh(w: Writer, body: usize, bodyLength: u32, n: NewTransfer): i32 {
  findOwn();
  const record = sign(body, bodyLength, n);
  if (record < 0) return record;
  let length = 1 + 1 + headed(bodyLength) + headed(ownCertificateLength) + 1;
  length += entryLength(<u32>record, false) + 1 + headed(ownIssuerLength);
  w.bytesHeader(length);
  const start = w.at;
  w.array(5);
  w.uint(NOTE_VERSION);
  w.bytes(body, bodyLength);
  w.bytes(ownCertificate, ownCertificateLength);
  w.array(1);
  writeEntry(w, <u32>record, false);
  w.array(1);
  w.bytes(ownIssuer, ownIssuerLength);
  assert(w.failed != 0 || w.at - start == length);
  return w.failed != 0 ? -w.failed : 0;
}

/** [record, own certificate or null, null] */
function writeEntry(w: Writer, record: u32, named: bool): void {
  w.array(3);
  w.bytes(recordBytes, record);
  if (named) w.bytes(ownCertificate, ownCertificateLength);
  else w.nil();
  w.nil();
}

function entryLength(record: u32, named: bool): u32 {
  return 1 + headed(record) + (named ? headed(ownCertificateLength) : 1) + 1;
}

/** Length of a byte string with its header. */
function headed(length: u32): u32 {
  return length + (length < 24 ? 1 : length < 256 ? 2 : 3);
}

function knowsIssuer(view: NoteView): bool {
  for (let i: u32 = 0; i < view.issuers; i++) {
    if (issuerCertificateLength(view, i) != ownIssuerLength) continue;
    if (memory.compare(issuerCertificate(view, i), ownIssuer, ownIssuerLength) == 0) return true;
  }
  return false;
}
