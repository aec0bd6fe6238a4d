/**
 * An electronic note as bytes, and a view of them (fig. 20; docs/PROTOCOLS.md, section 4).
 *
 *     note    [1, body, generator certificate, [entry...], [security server certificate...]]
 *     body    signed by the generator:   [1, note id, type, issuer, currency, exponent, value, issued, expiry, final redemption, generator id]
 *     entry   [record, transferor certificate or null, key or null]
 *     record  signed by the transferor:  [1, hash before, transferee id, counter, amount, date, lock]
 *
 * A view holds addresses into the bytes it was read from and is good as long as they stay.
 */

import { HASH_BYTES } from "../platform/constants";
import {
  CERTIFICATE_BYTES_MAX,
  HOPS_MAX,
  ID_BYTES,
  NOTE_BYTES_MAX,
  NOTE_ISSUERS_MAX,
  SECONDS_BITS,
} from "../protocol/limits";
import { REASON_HOP_LIMIT, REASON_MALFORMED, REASON_NOTE_INVALID, REASON_TOO_LONG } from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { cosePayload, cosePayloadLength } from "../lib/cose";

export const NOTE_VERSION: u64 = 1;
export const NOTE_TYPE_CASH: u64 = 1;
const BODY_BYTES_MAX: u32 = 256;
const RECORD_BYTES_MAX: u32 = 256;

/** One transfer: the record's bytes, what stands beside it, and what it says. */
@unmanaged
export class TransferView {
  record: usize;
  recordLength: u32;
  /** 0 when the certificate stands earlier in the note. */
  certificate: usize;
  certificateLength: u32;
  /** 0 when not shown. */
  key: usize;
  before: usize;
  transferee: usize;
  lock: usize;
  counter: u64;
  amount: u64;
  date: u64;
}


@unmanaged
export class NoteView {
  body: usize;
  bodyLength: u32;
  generatorCertificate: usize;
  generatorCertificateLength: u32;
  /** Transfers, at least one. */
  hops: u32;
  issuers: u32;
  currency: u32;
  exponent: u32;
  noteId: usize;
  issuer: usize;
  generatorId: usize;
  /** Start and length of the encoded entries, of the encoded issuers' certificates. */
  entries: usize;
  entriesLength: u32;
  issuerItems: usize;
  issuerItemsLength: u32;
  value: u64;
  issued: u64;
  expiry: u64;
  finalRedemption: u64;
}

const VIEW_BYTES: u32 = (<u32>offsetof<NoteView>() + 7) & ~7;
const TRANSFER_BYTES: u32 = (<u32>offsetof<TransferView>() + 7) & ~7;
const ISSUER_BYTES: u32 = 8;
const TRANSFERS_AT: u32 = VIEW_BYTES;
const ISSUERS_AT: u32 = TRANSFERS_AT + TRANSFER_BYTES * HOPS_MAX;
export const NOTE_VIEW_BYTES: u32 = ISSUERS_AT + ISSUER_BYTES * NOTE_ISSUERS_MAX;

/** The note that is being received, paid or settled. */
export const view = changetype<NoteView>(memory.data(NOTE_VIEW_BYTES, 8));

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const inside = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

export function transfer(view: NoteView, i: u32): TransferView {
  assert(i < <u32>HOPS_MAX);
  return changetype<TransferView>(changetype<usize>(view) + TRANSFERS_AT + i * TRANSFER_BYTES);
}

export function lastTransfer(view: NoteView): TransferView {
  assert(view.hops > 0);
  return transfer(view, view.hops - 1);
}

export function issuerCertificate(view: NoteView, i: u32): usize {
  return load<u32>(changetype<usize>(view) + ISSUERS_AT + i * ISSUER_BYTES);
}

export function issuerCertificateLength(view: NoteView, i: u32): u32 {
  return load<u32>(changetype<usize>(view) + ISSUERS_AT + i * ISSUER_BYTES, 4);
}

/** Reads shape and sizes, nothing else: what is said may still be false. */
export function noteRead(view: NoteView, note: usize, length: u32): i32 {
  memory.fill(changetype<usize>(view), 0, NOTE_VIEW_BYTES);
  if (length > <u32>NOTE_BYTES_MAX) return -REASON_TOO_LONG;
  reader.begin(note, length);
  reader.arrayOf(5);
  const version = reader.uint();
  if (reader.failed != 0) return -REASON_MALFORMED;
  if (version != NOTE_VERSION) return -REASON_NOTE_INVALID;
  view.body = reader.bytes(1, BODY_BYTES_MAX);
  view.bodyLength = reader.length;
  view.generatorCertificate = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  view.generatorCertificateLength = reader.length;
  const status = readEntries(view);
  if (status < 0) return status;
  readIssuers(view);
  if (reader.finish() < 0) return -REASON_MALFORMED;
  return readBody(view);
}

function readEntries(view: NoteView): i32 {
  const hops = reader.array();
  if (reader.failed != 0) return -REASON_MALFORMED;
  if (hops == 0) return -REASON_NOTE_INVALID;
  if (hops > <u32>HOPS_MAX) return -REASON_HOP_LIMIT;
  view.hops = hops;
  view.entries = reader.at;
  for (let i: u32 = 0; i < hops; i++) {
    const status = readEntry(transfer(view, i));
    if (status < 0) return status;
  }
  view.entriesLength = <u32>(reader.at - view.entries);
  return 0;
}

function readEntry(t: TransferView): i32 {
  reader.arrayOf(3);
  t.record = reader.bytes(1, RECORD_BYTES_MAX);
  t.recordLength = reader.length;
  if (!reader.isNil()) {
    t.certificate = reader.bytes(1, CERTIFICATE_BYTES_MAX);
    t.certificateLength = reader.length;
  }
  if (!reader.isNil()) t.key = reader.fixed(HASH_BYTES);
  return reader.failed != 0 ? -REASON_MALFORMED : readRecord(t);
}

function readRecord(t: TransferView): i32 {
  const payload = cosePayload(t.record, t.recordLength);
  if (payload == 0) return -REASON_MALFORMED;
  inside.begin(payload, cosePayloadLength());
  inside.arrayOf(7);
  const version = inside.uint();
  t.before = inside.fixed(HASH_BYTES);
  t.transferee = inside.fixed(ID_BYTES);
  t.counter = inside.uint();
  t.amount = inside.amount();
  t.date = inside.uint();
  t.lock = inside.fixed(HASH_BYTES);
  if (inside.finish() < 0) return -REASON_MALFORMED;
  return version == NOTE_VERSION && t.amount > 0 && isDate(t.date) ? 0 : -REASON_NOTE_INVALID;
}

function readIssuers(view: NoteView): void {
  const issuers = reader.array();
  if (issuers == 0 || issuers > <u32>NOTE_ISSUERS_MAX) return reader.fail(REASON_NOTE_INVALID);
  view.issuers = issuers;
  view.issuerItems = reader.at;
  for (let i: u32 = 0; i < issuers; i++) {
    const certificate = reader.bytes(1, CERTIFICATE_BYTES_MAX);
    const at = changetype<usize>(view) + ISSUERS_AT + i * ISSUER_BYTES;
    store<u32>(at, <u32>certificate);
    store<u32>(at, reader.length, 4);
  }
  view.issuerItemsLength = <u32>(reader.at - view.issuerItems);
}

function readBody(view: NoteView): i32 {
  const payload = cosePayload(view.body, view.bodyLength);
  if (payload == 0) return -REASON_MALFORMED;
  inside.begin(payload, cosePayloadLength());
  inside.arrayOf(11);
  const version = inside.uint();
  view.noteId = inside.fixed(ID_BYTES);
  const type = inside.uint();
  view.issuer = inside.fixed(ID_BYTES);
  const currency = inside.uint();
  const exponent = inside.uint();
  view.value = inside.amount();
  view.issued = inside.uint();
  view.expiry = inside.uint();
  view.finalRedemption = inside.uint();
  view.generatorId = inside.fixed(ID_BYTES);
  if (inside.finish() < 0) return -REASON_MALFORMED;
  if (version != NOTE_VERSION || type != NOTE_TYPE_CASH || currency > 999 || exponent > 9) return -REASON_NOTE_INVALID;
  if (!isDate(view.issued) || !isDate(view.finalRedemption)) return -REASON_NOTE_INVALID;
  if (view.value == 0 || view.issued >= view.expiry || view.expiry > view.finalRedemption) return -REASON_NOTE_INVALID;
  view.currency = <u32>currency;
  view.exponent = <u32>exponent;
  return 0;
}

/** Zero would mean "at no particular time" to whoever verifies certificates as of a date. */
function isDate(seconds: u64): bool {
  return seconds != 0 && seconds >> SECONDS_BITS == 0;
}

/** Who made transfer `i`: the generator, or the transferee of the one before. */
export function transferor(view: NoteView, i: u32): usize {
  return i == 0 ? view.generatorId : transfer(view, i - 1).transferee;
}
