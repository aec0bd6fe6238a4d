/**
 * Tickets (WO 96/41315 fig. 2), the property of trusted agents: credentials and receipts.
 *
 *   [1, issued, issuer chain, transfers]
 *   issued     signed by the issuer: [1, [issuer name, issuer credential expiry, receiver id, receiver expiry, type], components]
 *   transfers  [[receiver id, sender id, sender chain or null for the issuer's, date, signature]...]
 *   signature  signed by the sender: [1, SHA-256 of the ticket as it stood before this transfer, receiver id, sender id, date]
 *
 * The ticket "as it stood before" transfer i is the same bytes with i entries in the transfers: a complete ticket, so
 * that a signature covers the five sections before it and every transfer that led to it.
 */

import { badIdsCheck } from "../lib/bad-ids";
import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { Reader, Writer } from "../lib/cbor";
import { Certificate, chainVerify } from "../lib/certificate";
import { cosePayload, cosePayloadLength, coseSign, coseVerify, COSE_OVERHEAD_BYTES } from "../lib/cose";
import { equal } from "../lib/memory";
import { ROLE_AUTHORITY, ROLE_MERCHANT, SIGNED_TICKET, SIGNED_TICKET_TRANSFER, TREE_AGENTS } from "../protocol/kinds";
import {
  CHAIN_BYTES_MAX,
  CLOCK_SKEW_SECONDS_MAX,
  ID_BYTES,
  SECONDS_BITS,
  TEXT_BYTES_MAX,
  TICKET_BYTES_MAX,
  TICKET_TRANSFERS_MAX,
} from "../protocol/limits";
import {
  TICKET_AUTHORITY_CREDENTIAL,
  TICKET_CREDIT_CARD,
  TICKET_DEBIT_CARD,
  TICKET_MERCHANT_CREDENTIAL,
  TICKET_RECEIPT,
} from "../protocol/messages";
import {
  REASON_BAD_SIGNATURE,
  REASON_MALFORMED,
  REASON_TICKET_EXPIRED,
  REASON_TICKET_INVALID,
  REASON_TOO_LONG,
  REASON_VERSION,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";

export const TICKET_VERSION: u32 = 1;
/** Components of the longest type, the receipt: two texts, three amounts, two units, two rate terms, a date. */
export const COMPONENTS_BYTES_MAX: i32 = 256;
/** Payload of `issued`: Identifier and Components. */
const ISSUED_PAYLOAD_BYTES_MAX: i32 = COMPONENTS_BYTES_MAX + TEXT_BYTES_MAX + 64;
const ISSUED_BYTES_MAX: u32 = ISSUED_PAYLOAD_BYTES_MAX + COSE_OVERHEAD_BYTES;
const TRANSFER_PAYLOAD_BYTES_MAX: i32 = 96;
const TRANSFER_BYTES_MAX: u32 = TRANSFER_PAYLOAD_BYTES_MAX + COSE_OVERHEAD_BYTES;
/** Head of an array of n < 24 entries is this plus n. */
const SMALL_ARRAY: u32 = 0x80;

/** Where the parts of a ticket lie; it points into the bytes that it was read from. */
@unmanaged
export class Ticket {
  issuerExpiry: u64;
  receiverExpiry: u64;
  /** Date of the last transfer. */
  date: u64;
  start: usize;
  length: u32;
  issued: usize;
  issuedLength: u32;
  chain: usize;
  chainLength: u32;
  /** Head of the array of transfers. */
  transfers: usize;
  transferCount: u32;
  issuerName: usize;
  issuerNameLength: u32;
  /** First receiver, 16 bytes. */
  receiver: usize;
  lastReceiver: usize;
  type: u32;
  /** One CBOR array, whose shape depends on the type. */
  components: usize;
  componentsLength: u32;
}

/** What an issuer puts into a new ticket; the first transfer, to the receiver, is part of it. */
@unmanaged
export class TicketDraft {
  issuerExpiry: u64;
  receiverExpiry: u64;
  date: u64;
  type: u32;
  issuerName: usize;
  issuerNameLength: u32;
  issuerId: usize;
  receiver: usize;
  components: usize;
  componentsLength: u32;
  chain: usize;
  chainLength: u32;
  /** Slot of the issuer's signature key. */
  slot: u32;
}

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const issuer = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));
const sender = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));
const before: usize = memory.data(HASH_BYTES, 8);
/** Payload of what is signed here, or of what a signature must cover. */
const payload: usize = memory.data(ISSUED_PAYLOAD_BYTES_MAX, 8);
const signed: usize = memory.data(ISSUED_PAYLOAD_BYTES_MAX + 80, 8);

/** Reads a ticket strictly; no signature is looked at. 0, or a negative reason and `into` all zeros. */
export function ticketRead(ticket: usize, length: u32, into: Ticket): i32 {
  forget(into);
  if (length > <u32>TICKET_BYTES_MAX) return -REASON_TOO_LONG;
  into.start = ticket;
  into.length = length;
  reader.begin(ticket, length);
  reader.arrayOf(4);
  const version = reader.uint();
  into.issued = reader.bytes(1, ISSUED_BYTES_MAX);
  into.issuedLength = reader.length;
  into.chain = reader.bytes(1, CHAIN_BYTES_MAX);
  into.chainLength = reader.length;
  into.transfers = reader.at;
  into.transferCount = reader.array();
  if (into.transferCount == 0 || into.transferCount > <u32>TICKET_TRANSFERS_MAX) reader.fail(REASON_MALFORMED);
  for (let i: u32 = 0; i < into.transferCount && reader.failed == 0; i++) readTransfer(into);
  let result = reader.finish();
  if (result == 0 && version != TICKET_VERSION) result = -REASON_VERSION;
  if (result == 0) result = readIssued(into);
  if (result < 0) forget(into);
  return result;
}

function forget(ticket: Ticket): void {
  memory.fill(changetype<usize>(ticket), 0, offsetof<Ticket>());
}

/** One entry of the Transfer History; the last one read stays in `into`. */
function readTransfer(into: Ticket): void {
  reader.arrayOf(5);
  into.lastReceiver = reader.fixed(ID_BYTES);
  reader.fixed(ID_BYTES);
  if (!reader.isNil()) reader.bytes(1, CHAIN_BYTES_MAX);
  into.date = readSeconds();
  reader.bytes(1, TRANSFER_BYTES_MAX);
}

function readSeconds(): u64 {
  const seconds = reader.uint();
  if (seconds >> SECONDS_BITS != 0) reader.fail(REASON_MALFORMED);
  return seconds;
}

/** Identifier and Components. */
function readIssued(into: Ticket): i32 {
  const content = cosePayload(into.issued, into.issuedLength);
  if (content == 0) return -REASON_MALFORMED;
  reader.begin(content, cosePayloadLength());
  reader.arrayOf(3);
  const version = reader.uint();
  reader.arrayOf(5);
  into.issuerName = reader.text(TEXT_BYTES_MAX);
  into.issuerNameLength = reader.length;
  into.issuerExpiry = readSeconds();
  into.receiver = reader.fixed(ID_BYTES);
  into.receiverExpiry = readSeconds();
  const type = reader.uint();
  into.components = reader.at;
  reader.skip();
  into.componentsLength = <u32>(reader.at - into.components);
  const result = reader.finish();
  if (result < 0) return result;
  if (version != TICKET_VERSION) return -REASON_VERSION;
  if (type < <u64>TICKET_AUTHORITY_CREDENTIAL || type > <u64>TICKET_RECEIPT) return -REASON_TICKET_INVALID;
  if (into.issuerNameLength == 0 || into.componentsLength > <u32>COMPONENTS_BYTES_MAX) return -REASON_TICKET_INVALID;
  into.type = <u32>type;
  return 0;
}

/** True for tickets with which a customer can be debited or credited. */
export function ticketIsCard(type: u32): bool {
  return type == TICKET_CREDIT_CARD || type == TICKET_DEBIT_CARD;
}

/**
 * Validates a ticket as the text at fig. 10 says: issuer's certificate and signature; identifiers of the transfers;
 * senders' certificates and signatures; the last receiver, which must be `holder`. Then what it says about validity.
 * `now` is the time for which certificates and ticket must be valid, 0 for "at no particular time".
 */
export function ticketValidate(ticket: Ticket, rootId: usize, rootKey: usize, now: u64, holder: usize): i32 {
  let result = chainVerify(ticket.chain, ticket.chainLength, rootId, rootKey, TREE_AGENTS, now, issuer);
  if (result == 0) result = issuerFits(ticket);
  if (result == 0) result = coseVerify(SIGNED_TICKET, ticket.issued, ticket.issuedLength, issuer.signatureKey);
  if (result == 0) result = historyValidate(ticket, rootId, rootKey, now);
  if (result == 0 && !equal(ticket.lastReceiver, holder, ID_BYTES)) result = -REASON_TICKET_INVALID;
  if (result == 0 && now != 0) result = ticketExpiry(ticket, now);
  return result;
}

/** Id of the issuer of the ticket that was validated last, 16 bytes. */
export function ticketIssuerId(): usize {
  return issuer.id;
}

/** A receipt comes from a merchant, everything else from an authority, whose certificate tells its name. */
function issuerFits(ticket: Ticket): i32 {
  const role = ticket.type == TICKET_RECEIPT ? ROLE_MERCHANT : ROLE_AUTHORITY;
  if (issuer.role != role) return -REASON_WRONG_ROLE;
  if (role != ROLE_AUTHORITY) return 0;
  const named =
    issuer.nameLength == ticket.issuerNameLength && equal(issuer.name, ticket.issuerName, issuer.nameLength);
  return named ? 0 : -REASON_TICKET_INVALID;
}

/** S(0) = issuer, R(0) = the Identifier's receiver, R(i) = S(i+1), and every signature. `issuer` is verified. */
function historyValidate(ticket: Ticket, rootId: usize, rootKey: usize, now: u64): i32 {
  let previous = issuer.id;
  let date: u64 = 0;
  let at = ticket.transfers + 1;
  for (let i: u32 = 0; i < ticket.transferCount; i++) {
    const entry = at;
    reader.begin(entry, <u32>(ticket.start + ticket.length - entry));
    reader.arrayOf(5);
    const receiverId = reader.fixed(ID_BYTES);
    const senderId = reader.fixed(ID_BYTES);
    const own = !reader.isNil();
    const chain = own ? reader.bytes(1, CHAIN_BYTES_MAX) : ticket.chain;
    const chainLength = own ? reader.length : ticket.chainLength;
    const sentAt = reader.uint();
    const signature = reader.bytes(1, TRANSFER_BYTES_MAX);
    const signatureLength = reader.length;
    at = reader.at;
    assert(reader.failed == 0);
    if (!equal(senderId, previous, ID_BYTES) || sentAt < date) return -REASON_TICKET_INVALID;
    if (i == 0 && !equal(receiverId, ticket.receiver, ID_BYTES)) return -REASON_TICKET_INVALID;
    if (now != 0 && sentAt > now + CLOCK_SKEW_SECONDS_MAX) return -REASON_TICKET_INVALID;
    let result = chainVerify(chain, chainLength, rootId, rootKey, TREE_AGENTS, now, sender);
    if (result == 0 && !equal(sender.id, senderId, ID_BYTES)) result = -REASON_TICKET_INVALID;
    if (result == 0 && now != 0) result = badIdsCheck(senderId);
    if (result == 0)
      result = signedTransferIs(ticket, i, entry, receiverId, senderId, sentAt, signature, signatureLength);
    if (result == 0) result = coseVerify(SIGNED_TICKET_TRANSFER, signature, signatureLength, sender.signatureKey);
    if (result < 0) return result;
    previous = receiverId;
    date = sentAt;
  }
  return 0;
}

/** Whether a sender's signed object is over exactly this transfer of this ticket. */
function signedTransferIs(
  ticket: Ticket,
  index: u32,
  entry: usize,
  receiverId: usize,
  senderId: usize,
  date: u64,
  signature: usize,
  signatureLength: u32,
): i32 {
  const hashed = hashBefore(ticket.start, ticket.transfers, index, entry);
  if (hashed < 0) return hashed;
  const length = writeTransferPayload(receiverId, senderId, date);
  const content = cosePayload(signature, signatureLength);
  if (content == 0) return -REASON_MALFORMED;
  const same = cosePayloadLength() == length && equal(content, payload, length);
  return same ? 0 : -REASON_BAD_SIGNATURE;
}

/** SHA-256 of the ticket as it stood when it had `index` transfers, into `before`. */
function hashBefore(start: usize, transfers: usize, index: u32, entry: usize): i32 {
  assert(index < 24 && entry > transfers && transfers > start);
  const head = load<u8>(transfers);
  store<u8>(transfers, <u8>(SMALL_ARRAY + index));
  const result = sha256(start, <u32>(entry - start), before, HASH_BYTES);
  store<u8>(transfers, head);
  return result;
}

/** What the sender signs, into `payload`; its length. */
function writeTransferPayload(receiverId: usize, senderId: usize, date: u64): u32 {
  writer.begin(payload, TRANSFER_PAYLOAD_BYTES_MAX);
  writer.array(5);
  writer.uint(TICKET_VERSION);
  writer.bytes(before, HASH_BYTES);
  writer.bytes(receiverId, ID_BYTES);
  writer.bytes(senderId, ID_BYTES);
  writer.uint(date);
  const length = writer.finish();
  assert(length > 0);
  return length;
}

/** Whether the ticket, its receiver and its issuer's credential are still valid. Certificates were looked at before. */
export function ticketExpiry(ticket: Ticket, now: u64): i32 {
  if (now >= ticket.issuerExpiry || now >= ticket.receiverExpiry) return -REASON_TICKET_EXPIRED;
  if (ticket.type == TICKET_AUTHORITY_CREDENTIAL || ticket.type == TICKET_MERCHANT_CREDENTIAL) {
    const result = credentialRead(ticket, credential);
    if (result < 0) return result;
    return now >= credential.expiry ? -REASON_TICKET_EXPIRED : 0;
  }
  if (!ticketIsCard(ticket.type)) return 0;
  const result = cardRead(ticket, card);
  if (result < 0) return result;
  return now < card.validFrom || now >= card.expiry ? -REASON_TICKET_EXPIRED : 0;
}

/** SHA-256 of `issued`: the receipt hash of approvals and annexes. */
export function ticketHash(ticket: Ticket, into: usize): i32 {
  return sha256(ticket.issued, ticket.issuedLength, into, HASH_BYTES);
}

/** Components of an authority or merchant credential. */
@unmanaged
export class Credential {
  expiry: u64;
  name: usize;
  nameLength: u32;
}

/** Components of a credit or debit card. */
@unmanaged
export class Card {
  validFrom: u64;
  expiry: u64;
  bank: usize;
  bankLength: u32;
  account: usize;
  accountLength: u32;
  customer: usize;
  customerLength: u32;
}

const credential = changetype<Credential>(memory.data(offsetof<Credential>(), 8));
const card = changetype<Card>(memory.data(offsetof<Card>(), 8));

export function credentialRead(ticket: Ticket, into: Credential): i32 {
  reader.begin(ticket.components, ticket.componentsLength);
  reader.arrayOf(2);
  into.name = reader.text(TEXT_BYTES_MAX);
  into.nameLength = reader.length;
  into.expiry = readSeconds();
  if (reader.finish() < 0 || into.nameLength == 0) return -REASON_TICKET_INVALID;
  return 0;
}

export function cardRead(ticket: Ticket, into: Card): i32 {
  if (!ticketIsCard(ticket.type)) return -REASON_TICKET_INVALID;
  reader.begin(ticket.components, ticket.componentsLength);
  reader.arrayOf(5);
  into.bank = reader.text(TEXT_BYTES_MAX);
  into.bankLength = reader.length;
  into.account = reader.text(TEXT_BYTES_MAX);
  into.accountLength = reader.length;
  into.validFrom = readSeconds();
  into.expiry = readSeconds();
  into.customer = reader.text(TEXT_BYTES_MAX);
  into.customerLength = reader.length;
  if (reader.finish() < 0 || into.bankLength == 0) return -REASON_TICKET_INVALID;
  if (!accountFits(into.account, into.accountLength)) return -REASON_TICKET_INVALID;
  return 0;
}

/** Checks that components that a host gave have the shape of their type. */
export function componentsFit(type: u32, components: usize, length: u32): i32 {
  draftOf.type = type;
  draftOf.components = components;
  draftOf.componentsLength = length;
  if (length > <u32>COMPONENTS_BYTES_MAX) return -REASON_TICKET_INVALID;
  return ticketIsCard(type) ? cardRead(draftOf, card) : credentialRead(draftOf, credential);
}

const draftOf = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));

/** Account numbers are visible ASCII, so that a mask never cuts a character in two. */
export function accountFits(account: usize, length: u32): bool {
  if (length == 0) return false;
  for (let i: u32 = 0; i < length; i++) {
    const character = load<u8>(account + i);
    if (character < 0x21 || character > 0x7e) return false;
  }
  return true;
}

/** Digits of an account number that are shown, when it is long enough to hide the most of it. */
const ACCOUNT_SHOWN: u32 = 4;

/** Writes an account number as people may see it: all but the last four characters as stars. */
export function accountMask(account: usize, length: u32, into: usize): void {
  const shown: u32 = length >= 2 * ACCOUNT_SHOWN ? ACCOUNT_SHOWN : 0;
  memory.fill(into, 0x2a, length - shown);
  memory.copy(into + length - shown, account + length - shown, shown);
}

/**
 * Issues a ticket and transfers it to its receiver. The length written, or a negative error. What the draft points to
 * must not lie in `out`.
 */
export function ticketCreate(draft: TicketDraft, out: usize, capacity: u32): i32 {
  const issuedLength = signIssued(draft);
  if (issuedLength < 0) return issuedLength;
  assert(draft.chainLength <= <u32>CHAIN_BYTES_MAX);
  writer.begin(out, min<u32>(capacity, TICKET_BYTES_MAX));
  writer.array(4);
  writer.uint(TICKET_VERSION);
  writer.bytes(signed, issuedLength);
  writer.bytes(draft.chain, draft.chainLength);
  const transfers = writer.at;
  writer.array(1);
  const entry = writer.at;
  if (writer.finish() < 0) return writer.finish();
  // The writer is needed for the payload; the entry goes behind what it has written so far.
  const end = writer.end;
  const hashed = hashBefore(out, transfers, 0, entry);
  if (hashed < 0) return hashed;
  const payloadLength = writeTransferPayload(draft.receiver, draft.issuerId, draft.date);
  const length = coseSign(SIGNED_TICKET_TRANSFER, draft.slot, payload, payloadLength, signed, TRANSFER_BYTES_MAX);
  if (length < 0) return length;
  writer.begin(entry, <u32>(end - entry));
  writer.array(5);
  writer.bytes(draft.receiver, ID_BYTES);
  writer.bytes(draft.issuerId, ID_BYTES);
  writer.nil();
  writer.uint(draft.date);
  writer.bytes(signed, length);
  const entryLength = writer.finish();
  return entryLength < 0 ? entryLength : <i32>(entry - out) + entryLength;
}

/** Identifier and Components, signed, into `signed`. */
function signIssued(draft: TicketDraft): i32 {
  assert(draft.componentsLength <= <u32>COMPONENTS_BYTES_MAX && draft.issuerNameLength <= <u32>TEXT_BYTES_MAX);
  writer.begin(payload, ISSUED_PAYLOAD_BYTES_MAX);
  writer.array(3);
  writer.uint(TICKET_VERSION);
  writer.array(5);
  writer.text(draft.issuerName, draft.issuerNameLength);
  writer.uint(draft.issuerExpiry);
  writer.bytes(draft.receiver, ID_BYTES);
  writer.uint(draft.receiverExpiry);
  writer.uint(draft.type);
  writer.raw(draft.components, draft.componentsLength);
  const length = writer.finish();
  if (length < 0) return length;
  return coseSign(SIGNED_TICKET, draft.slot, payload, length, signed, ISSUED_BYTES_MAX);
}
