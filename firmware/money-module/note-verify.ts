/**
 * Verify (WO 96/41315 fig. 20, steps 1578-1604): everything that a payee looks at before it takes a note.
 *
 * The cheap checks come first, so that nonsense costs no public-key operation. A teller takes expired notes, notes at
 * the hop limit and notes with a listed ancestor (1584-1592 exempt it), because it redeems or reissues them.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import {
  ROLE_GENERATOR,
  ROLE_TELLER,
  ROLE_TRANSACTION,
  SIGNED_NOTE_BODY,
  SIGNED_TRANSFER,
  TREE_MODULES,
} from "../protocol/kinds";
import { CLOCK_SKEW_SECONDS_MAX, HOPS_MAX, ID_BYTES } from "../protocol/limits";
import {
  REASON_HOP_LIMIT,
  REASON_NOTE_EXPIRED,
  REASON_NOTE_INVALID,
  REASON_PAST_REDEMPTION,
  REASON_UNKNOWN_UNIT,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";
import { badIdsCheck } from "../lib/bad-ids";
import { Certificate, certificateRead, certificateVerify } from "../lib/certificate";
import { clockNow } from "../lib/clock";
import { coseVerify } from "../lib/cose";
import { elementId, elementRole, rootId, rootKey } from "../lib/identity";
import { equal } from "../lib/memory";
import {
  issuerCertificate,
  issuerCertificateLength,
  lastTransfer,
  NoteView,
  transfer,
  transferor,
  TransferView,
} from "./note";

const certificate = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));
const issuer = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));
const hash = memory.data(32, 8);

/**
 * Everything but the transfer tree: 0, or the reason. `peer`: subject id of the other end of the session.
 * A record passed once costs one public-key verification, and one more when its certificate was not met before.
 */
export function noteVerify(view: NoteView, peer: usize, currency: u32, exponent: u32): i32 {
  if (view.currency != currency || view.exponent != exponent) return -REASON_UNKNOWN_UNIT;
  let status = verifyHistory(view);
  if (status == 0) status = verifyEnds(view, peer);
  // After the final redemption date nobody pays for it: whatever no path has redeemed by then is for claims.
  if (status == 0 && clockNow() >= view.finalRedemption) status = -REASON_PAST_REDEMPTION;
  if (status == 0 && elementRole() != ROLE_TELLER) status = verifyTimely(view);
  if (status == 0) status = verifyBody(view);
  for (let i: u32 = 0; i < view.hops && status == 0; i++) status = verifyTransfer(view, i);
  return status;
}

/** Steps 1578-1580 without signatures: hash chain, locks, amounts, dates. */
function verifyHistory(view: NoteView): i32 {
  // A date that has not come yet would move the clock's floor, or choose which certificates are valid.
  const latest = clockNow() + CLOCK_SKEW_SECONDS_MAX;
  if (view.issued > latest) return -REASON_NOTE_INVALID;
  let amount = view.value;
  let before = view.body;
  let beforeLength = view.bodyLength;
  for (let i: u32 = 0; i < view.hops; i++) {
    const t = transfer(view, i);
    if (t.amount > amount || t.date > latest) return -REASON_NOTE_INVALID;
    // Nor one from before the note was there: keys stolen from a module signed off long ago could sign under it.
    if (t.date + CLOCK_SKEW_SECONDS_MAX < view.issued) return -REASON_NOTE_INVALID;
    amount = t.amount;
    const hashed = sha256(before, beforeLength, hash, HASH_BYTES);
    if (hashed < 0) return hashed;
    if (!equal(hash, t.before, HASH_BYTES)) return -REASON_NOTE_INVALID;
    const status = verifyLock(t, i + 1 == view.hops);
    if (status < 0) return status;
    before = t.record;
    beforeLength = t.recordLength;
  }
  return 0;
}

/** The last record is on offer and has no key yet; every other one must have been opened, or it is void. */
function verifyLock(t: TransferView, last: bool): i32 {
  if (last) return t.key == 0 ? 0 : -REASON_NOTE_INVALID;
  if (t.key == 0) return -REASON_NOTE_INVALID;
  const hashed = sha256(t.key, HASH_BYTES, hash, HASH_BYTES);
  if (hashed < 0) return hashed;
  return equal(hash, t.lock, HASH_BYTES) ? 0 : -REASON_NOTE_INVALID;
}

/** From the peer of this session, to this module. */
function verifyEnds(view: NoteView, peer: usize): i32 {
  if (!equal(transferor(view, view.hops - 1), peer, ID_BYTES)) return -REASON_NOTE_INVALID;
  // The record on offer was signed for this session, so it is of today.
  if (lastTransfer(view).date + CLOCK_SKEW_SECONDS_MAX < clockNow()) return -REASON_NOTE_INVALID;
  return equal(lastTransfer(view).transferee, elementId(), ID_BYTES) ? 0 : -REASON_NOTE_INVALID;
}

/** Steps 1584-1592: expiry, hop limit, bad ids. */
function verifyTimely(view: NoteView): i32 {
  const now = clockNow();
  if (now >= view.expiry) return -REASON_NOTE_EXPIRED;
  // At the limit only a teller takes it; a module must be able to pass on what it takes.
  if (view.hops >= <u32>HOPS_MAX) return -REASON_HOP_LIMIT;
  return ancestorsCheck(view);
}

/** Step 1590: 0, -REASON_BAD_ID when anybody in the note's history is on the list, or an error of the store. */
export function ancestorsCheck(view: NoteView): i32 {
  let status = badIdsCheck(view.generatorId);
  for (let i: u32 = 0; i < view.issuers && status == 0; i++) {
    status = certificateRead(issuerCertificate(view, i), issuerCertificateLength(view, i), issuer);
    if (status == 0) status = badIdsCheck(issuer.id);
  }
  if (status < 0) return status;
  for (let i: u32 = 0; i < view.hops; i++) {
    const listed = badIdsCheck(transferor(view, i));
    if (listed < 0) return listed;
  }
  return 0;
}

/** Step 1594: the generator's certificate and its signature on the body. */
function verifyBody(view: NoteView): i32 {
  const status = certify(view, view.generatorCertificate, view.generatorCertificateLength, view.issued);
  if (status < 0) return status;
  if (certificate.role != ROLE_GENERATOR) return -REASON_WRONG_ROLE;
  if (!equal(certificate.id, view.generatorId, ID_BYTES)) return -REASON_NOTE_INVALID;
  return coseVerify(SIGNED_NOTE_BODY, view.body, view.bodyLength, certificate.signatureKey);
}

/** The same for one record and its transferor. */
function verifyTransfer(view: NoteView, i: u32): i32 {
  const t = transfer(view, i);
  const who = transferor(view, i);
  let bytes = t.certificate;
  let length = t.certificateLength;
  if (bytes == 0) {
    const owner = earlierCertificate(view, i, who);
    if (owner < 0) return -REASON_NOTE_INVALID;
    bytes = owner == 0 ? view.generatorCertificate : transfer(view, owner - 1).certificate;
    length = owner == 0 ? view.generatorCertificateLength : transfer(view, owner - 1).certificateLength;
  }
  const status = certify(view, bytes, length, t.date);
  if (status < 0) return status;
  if (!equal(certificate.id, who, ID_BYTES)) return -REASON_NOTE_INVALID;
  // The generator moves its own notes once, to a teller; after that only tellers and subscribers do.
  const fits =
    i == 0
      ? certificate.role == ROLE_GENERATOR
      : certificate.role == ROLE_TELLER || certificate.role == ROLE_TRANSACTION;
  if (!fits) return -REASON_WRONG_ROLE;
  return coseVerify(SIGNED_TRANSFER, t.record, t.recordLength, certificate.signatureKey);
}

/** Where a subject's latest certificate stands before entry `i`: 0 the generator's, n that of entry n - 1, -1 nowhere. */
export function earlierCertificate(view: NoteView, i: u32, who: usize): i32 {
  for (let earlier = i; earlier > 0; earlier--) {
    const at = earlier - 1;
    if (transfer(view, at).certificate != 0 && equal(transferor(view, at), who, ID_BYTES)) return earlier;
  }
  return equal(view.generatorId, who, ID_BYTES) ? 0 : -1;
}

/** Verifies a certificate of this note under one of its security servers, as of a date; leaves it in `certificate`. */
function certify(view: NoteView, bytes: usize, length: u32, date: u64): i32 {
  let status: i32 = -REASON_NOTE_INVALID;
  for (let i: u32 = 0; i < view.issuers && status != 0; i++) {
    const server = issuerCertificate(view, i);
    const serverLength = issuerCertificateLength(view, i);
    if (certificateRead(server, serverLength, issuer) < 0) return -REASON_NOTE_INVALID;
    if (certificateRead(bytes, length, certificate) < 0) return -REASON_NOTE_INVALID;
    if (!equal(issuer.id, certificate.issuer, ID_BYTES)) continue;
    status = certificateVerify(
      bytes,
      length,
      server,
      serverLength,
      rootId(TREE_MODULES),
      rootKey(TREE_MODULES),
      TREE_MODULES,
      date,
      certificate,
    );
  }
  return status;
}
