/**
 * Tickets (WO 96/41315 fig. 2) as hosts read, check and, in tests and tools, make them. The rules are those of
 * `firmware/trusted-agent/ticket.ts` and `receipt.ts`, where the encoding is laid out.
 */

import {
  ROLE_AUTHORITY,
  ROLE_MERCHANT,
  SIGNED_TICKET,
  SIGNED_TICKET_TRANSFER,
  TREE_AGENTS,
} from "../../firmware/protocol/kinds.js";
import {
  CHAIN_BYTES_MAX,
  CLOCK_SKEW_SECONDS_MAX,
  SECONDS_BITS,
  TEXT_BYTES_MAX,
  TICKET_BYTES_MAX,
  TICKET_TRANSFERS_MAX,
} from "../../firmware/protocol/limits.js";
import {
  TICKET_AUTHORITY_CREDENTIAL,
  TICKET_CREDIT_CARD,
  TICKET_DEBIT_CARD,
  TICKET_MERCHANT_CREDENTIAL,
  TICKET_RECEIPT,
} from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_SIGNATURE,
  REASON_TICKET_EXPIRED,
  REASON_TICKET_INVALID,
  REASON_TOO_LONG,
  REASON_VERSION,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { sha256 } from "../crypto.js";
import { assertBytes, concatBytes, equalBytes } from "./bytes.js";
import { type CborValue, encode } from "./cbor.js";
import { type Root, type VerifiedChain, verifyChain } from "./certificate.js";
import { payloadOf, sign1, verify1 } from "./cose.js";
import { CodecError } from "./errors.js";
import { Fields } from "./read.js";
import { type Receipt, readReceipt, receiptFields } from "./receipt.js";
import type { Signer } from "./signer.js";

const VERSION = 1;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;
/** Signed objects within a ticket: what an agent takes (firmware/trusted-agent/ticket.ts). */
const ISSUED_BYTES_MAX = 459;
const TRANSFER_BYTES_MAX = 171;
/** Head of an array of n < 24 items is this plus n. */
const SMALL_ARRAY = 0x80;
/** Characters of an account number that stay visible, when it has at least twice as many. */
const ACCOUNT_SHOWN = 4;

/** What a credential says of an authority or a merchant. */
export interface Credential {
  readonly name: string;
  readonly expiry: number;
}

export interface Card {
  readonly bank: string;
  readonly account: string;
  readonly validFrom: number;
  readonly expiry: number;
  readonly customer: string;
}

export type Components =
  | { readonly kind: "credential"; readonly credential: Credential }
  | { readonly kind: "card"; readonly card: Card }
  | { readonly kind: "receipt"; readonly receipt: Receipt };

export interface Transfer {
  readonly receiver: Uint8Array;
  readonly sender: Uint8Array;
  /** The sender's chain; null says that it is the issuer's. */
  readonly chain: Uint8Array | null;
  readonly date: number;
  readonly signature: Uint8Array;
}

export interface Ticket {
  /** One of the TICKET_ numbers. */
  readonly type: number;
  readonly issuerName: string;
  readonly issuerExpiry: number;
  /** The first receiver. */
  readonly receiver: Uint8Array;
  readonly receiverExpiry: number;
  readonly components: Components;
  readonly issuerChain: Uint8Array;
  readonly transfers: readonly Transfer[];
  /** The signed object: Identifier and Components. */
  readonly issued: Uint8Array;
  /** SHA-256 of `issued`: what approvals and annexes call the receipt hash. */
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What an issuer states in a new ticket. */
export interface TicketDraft {
  readonly type: number;
  readonly issuerName: string;
  readonly issuerExpiry: number;
  readonly receiver: Uint8Array;
  readonly receiverExpiry: number;
  readonly components: Components;
  readonly date: number;
}

/** Who issues or hands on a ticket. */
export interface TicketSender {
  readonly id: Uint8Array;
  readonly chain: Uint8Array;
  readonly signer: Signer;
}

export function isCard(type: number): boolean {
  return type === TICKET_CREDIT_CARD || type === TICKET_DEBIT_CARD;
}

/** Issues a ticket and transfers it to its receiver. */
export function issueTicket(draft: TicketDraft, issuer: TicketSender): Uint8Array {
  const identifier = [draft.issuerName, draft.issuerExpiry, draft.receiver, draft.receiverExpiry, draft.type];
  const payload = encode([VERSION, identifier, componentFields(draft.components)]);
  const issued = sign1(SIGNED_TICKET, payload, issuer.signer);
  const bare = concatBytes(head(4), encode(VERSION), encode(issued), encode(issuer.chain), head(0));
  return append(bare, [], { receiver: draft.receiver, date: draft.date }, issuer, null);
}

/** Hands a ticket on to another agent. */
export function transferTicket(ticket: Ticket, receiver: Uint8Array, date: number, sender: TicketSender): Uint8Array {
  return append(ticket.bytes, ticket.transfers, { receiver, date }, sender, sender.chain);
}

function append(
  ticket: Uint8Array,
  transfers: readonly Transfer[],
  next: { readonly receiver: Uint8Array; readonly date: number },
  sender: TicketSender,
  chain: Uint8Array | null,
): Uint8Array {
  const entries = transfers.map(encodeTransfer);
  const signed = transferPayload(sha256(ticket), next.receiver, sender.id, next.date);
  const signature = sign1(SIGNED_TICKET_TRANSFER, signed, sender.signer);
  const entry = encodeTransfer({ ...next, sender: sender.id, chain, signature });
  const prefix = ticket.subarray(0, transfersAt(ticket, entries));
  const bytes = concatBytes(prefix, head(entries.length + 1), ...entries, entry);
  if (bytes.length > TICKET_BYTES_MAX) throw new RangeError(`ticket: ${bytes.length} bytes are too many`);
  return bytes;
}

function head(items: number): Uint8Array {
  return Uint8Array.of(SMALL_ARRAY + items);
}

/** Where the head of the array of transfers lies: before the entries that end the ticket. */
function transfersAt(ticket: Uint8Array, entries: readonly Uint8Array[]): number {
  return ticket.length - 1 - entries.reduce((sum, entry) => sum + entry.length, 0);
}

function encodeTransfer(transfer: Transfer): Uint8Array {
  return encode([transfer.receiver, transfer.sender, transfer.chain, transfer.date, transfer.signature]);
}

function transferPayload(before: Uint8Array, receiver: Uint8Array, sender: Uint8Array, date: number): Uint8Array {
  return encode([VERSION, before, receiver, sender, date]);
}

/** Reads a ticket strictly; no signature is looked at. */
export function readTicket(bytes: Uint8Array): Ticket {
  assertBytes(bytes, "ticket");
  if (bytes.length > TICKET_BYTES_MAX)
    throw new CodecError(`ticket: ${bytes.length} bytes are too many`, REASON_TOO_LONG);
  const fields = Fields.decode(bytes, "ticket", 4);
  const version = fields.uint("version");
  if (version !== VERSION) throw new CodecError(`ticket: version ${version}`, REASON_VERSION);
  const issued = fields.bytes("issued", 1, ISSUED_BYTES_MAX);
  const issuerChain = fields.bytes("issuer chain", 1, CHAIN_BYTES_MAX);
  const entries = fields.array("transfers");
  const count = entries.left;
  if (count < 1 || count > TICKET_TRANSFERS_MAX) throw new CodecError(`ticket: ${count} transfers`);
  const transfers = Array.from({ length: count }, () => readTransfer(entries.array("transfer", 5)));
  return { ...readIssued(issued), issuerChain, transfers, issued, hash: sha256(issued), bytes };
}

function readTransfer(fields: Fields): Transfer {
  return {
    receiver: fields.id("receiver"),
    sender: fields.id("sender"),
    chain: fields.optional("chain", (value, name) => {
      if (value instanceof Uint8Array && value.length > 0 && value.length <= CHAIN_BYTES_MAX) return value;
      throw new CodecError(`${name}: expected a chain`);
    }),
    date: fields.uint("date", SECONDS_MAX),
    signature: fields.bytes("signature", 1, TRANSFER_BYTES_MAX),
  };
}

function readIssued(issued: Uint8Array) {
  const fields = Fields.decode(payloadOf(issued), "issued", 3);
  const version = fields.uint("version");
  if (version !== VERSION) throw new CodecError(`issued: version ${version}`, REASON_VERSION);
  const identifier = fields.array("identifier", 5);
  const issuerName = identifier.text("issuer name", TEXT_BYTES_MAX);
  const issuerExpiry = identifier.uint("issuer expiry", SECONDS_MAX);
  const receiver = identifier.id("receiver");
  const receiverExpiry = identifier.uint("receiver expiry", SECONDS_MAX);
  const type = identifier.uint("type");
  if (type < TICKET_AUTHORITY_CREDENTIAL || type > TICKET_RECEIPT || issuerName === "")
    throw invalid("an unknown type, or an issuer without name");
  const components = readComponents(type, fields.array("components"));
  return { type, issuerName, issuerExpiry, receiver, receiverExpiry, components };
}

function invalid(what: string): CodecError {
  return new CodecError(`ticket: ${what}`, REASON_TICKET_INVALID);
}

function readComponents(type: number, fields: Fields): Components {
  const components = componentsOf(type, fields);
  fields.end();
  return components;
}

function componentsOf(type: number, fields: Fields): Components {
  if (type === TICKET_RECEIPT) return { kind: "receipt", receipt: readReceipt(fields) };
  if (isCard(type)) return { kind: "card", card: readCard(fields) };
  const credential = { name: fields.text("name", TEXT_BYTES_MAX), expiry: fields.uint("expiry", SECONDS_MAX) };
  if (credential.name === "") throw invalid("a credential without name");
  return { kind: "credential", credential };
}

function readCard(fields: Fields): Card {
  const card = {
    bank: fields.text("bank", TEXT_BYTES_MAX),
    account: fields.text("account", TEXT_BYTES_MAX),
    validFrom: fields.uint("valid from", SECONDS_MAX),
    expiry: fields.uint("expiry", SECONDS_MAX),
    customer: fields.text("customer", TEXT_BYTES_MAX),
  };
  if (card.bank === "" || !accountFits(card.account)) throw invalid("a card without bank or account number");
  return card;
}

/** Account numbers are visible ASCII. */
export function accountFits(account: string): boolean {
  return /^[\x21-\x7e]+$/.test(account);
}

/** An account number as people may see it: all but the last four characters as stars. */
export function maskAccount(account: string): string {
  const shown = account.length >= 2 * ACCOUNT_SHOWN ? ACCOUNT_SHOWN : 0;
  return "*".repeat(account.length - shown) + account.slice(account.length - shown);
}

/** Components as they are encoded: what an authority's host grants, and what a receipt holds. */
export function componentFields(components: Components): CborValue[] {
  switch (components.kind) {
    case "credential":
      return [components.credential.name, components.credential.expiry];
    case "card": {
      const { bank, account, validFrom, expiry, customer } = components.card;
      return [bank, account, validFrom, expiry, customer];
    }
    case "receipt":
      return receiptFields(components.receipt);
  }
}

/**
 * Validates a ticket as the text at fig. 10 says. `holder` is the agent that the last transfer must name, `now` the
 * second for which everything must be valid, undefined for "at no particular time". CodecError, with the reason that
 * an agent would give, when it does not hold.
 */
export function validateTicket(ticket: Ticket, root: Root, now: number | undefined, holder: Uint8Array): VerifiedChain {
  if (root.tree !== TREE_AGENTS) throw new RangeError("root.tree: tickets belong to the agents' tree");
  const issuer = verifyChain(ticket.issuerChain, root, now);
  checkIssuer(ticket, issuer);
  verify1(SIGNED_TICKET, ticket.issued, issuer.device.signatureKey);
  checkHistory(ticket, issuer, root, now);
  const last = ticket.transfers.at(-1);
  if (last === undefined || !equalBytes(last.receiver, holder)) throw invalid("belongs to another agent");
  if (now !== undefined) checkExpiry(ticket, now);
  return issuer;
}

function checkIssuer(ticket: Ticket, issuer: VerifiedChain): void {
  const role = ticket.type === TICKET_RECEIPT ? ROLE_MERCHANT : ROLE_AUTHORITY;
  if (issuer.device.role !== role)
    throw new CodecError(`ticket: issued by role ${issuer.device.role}`, REASON_WRONG_ROLE);
  if (role === ROLE_AUTHORITY && issuer.device.name !== ticket.issuerName) throw invalid("the issuer has another name");
}

function checkHistory(ticket: Ticket, issuer: VerifiedChain, root: Root, now: number | undefined): void {
  let previous = issuer.device.id;
  let date = 0;
  const before = ticket.bytes.subarray(0, transfersAt(ticket.bytes, ticket.transfers.map(encodeTransfer)));
  let entries: Uint8Array = new Uint8Array(0);
  ticket.transfers.forEach((transfer, index) => {
    if (!equalBytes(transfer.sender, previous) || transfer.date < date)
      throw invalid(`transfer ${index} does not follow`);
    if (index === 0 && !equalBytes(transfer.receiver, ticket.receiver)) throw invalid("another first receiver");
    if (now !== undefined && transfer.date > now + CLOCK_SKEW_SECONDS_MAX) throw invalid("a transfer in the future");
    const sender = transfer.chain === null ? issuer : verifyChain(transfer.chain, root, now);
    if (!equalBytes(sender.device.id, transfer.sender)) throw invalid(`the chain of transfer ${index} is another's`);
    const hash = sha256(concatBytes(before, head(index), entries));
    const expected = transferPayload(hash, transfer.receiver, transfer.sender, transfer.date);
    const signed = verify1(SIGNED_TICKET_TRANSFER, transfer.signature, sender.device.signatureKey);
    if (!equalBytes(signed, expected)) {
      throw new CodecError(`ticket: the signature of transfer ${index} is on something else`, REASON_BAD_SIGNATURE);
    }
    previous = transfer.receiver;
    date = transfer.date;
    entries = concatBytes(entries, encodeTransfer(transfer));
  });
}

function checkExpiry(ticket: Ticket, now: number): void {
  const { components } = ticket;
  const own =
    components.kind === "credential" ? components.credential : components.kind === "card" ? components.card : null;
  const started = components.kind !== "card" || now >= components.card.validFrom;
  const valid =
    started && now < ticket.issuerExpiry && now < ticket.receiverExpiry && (own === null || now < own.expiry);
  if (!valid) throw new CodecError("ticket: expired, or not valid yet", REASON_TICKET_EXPIRED);
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [TICKET_AUTHORITY_CREDENTIAL, "authority credential"],
  [TICKET_MERCHANT_CREDENTIAL, "merchant credential"],
  [TICKET_CREDIT_CARD, "credit card"],
  [TICKET_DEBIT_CARD, "debit card"],
  [TICKET_RECEIPT, "receipt"],
]);

export function ticketTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `ticket type ${type}`;
}
