/** What an agent knows of the one transaction that is under way. It is gone with the power; what must not be is in pending.ts. */

import { HASH_BYTES, KEY_BYTES } from "../platform/constants";
import { peer, peerCertificate } from "../lib/establish";
import { sessionHash } from "../lib/noise";
import { ID_BYTES, TEXT_BYTES_MAX, TICKET_BYTES_MAX } from "../protocol/limits";
import { ROLE_MERCHANT } from "../protocol/kinds";
import { TYPE_PURCHASE } from "../protocol/messages";
import { elementRole } from "../lib/identity";
import { STATE_IDLE, stateSet } from "./states";
import { Card, Ticket } from "./ticket";
import { Receipt } from "./receipt";

/** What the host asked for: the session serves this alone. */
export const GOAL_PURCHASE: i32 = 1;
export const GOAL_ACQUIRE: i32 = 2;

/** Envelope of a module that waits until the link is open: the first message of its handshake. */
const KEPT_BYTES_MAX: u32 = 64;


@unmanaged
export class Transaction {
  amount: u64;
  /** Expiry of the merchant's credential. */
  merchantExpiry: u64;
  goal: i32;
  /** TYPE_PURCHASE or TYPE_SALE; 0 until it is known. */
  type: u32;
  currency: u32;
  exponent: u32;
  /** Of the credential that is acquired. */
  ticketType: u32;
  /** Bytes in TICKET. */
  ticketLength: u32;
  merchantNameLength: u32;
  /** Bytes in KEPT. */
  keptLength: u32;
  /** Timeouts in a row without an answer. */
  queries: u32;
  /** Why it is being aborted, and whether the peer said so, while the module is asked. */
  abortReason: i32;
  abortByPeer: i32;
  /** 1 when SESSION and PEER_ID are known. */
  hasSession: i32;
}

export const transaction = changetype<Transaction>(memory.data(offsetof<Transaction>(), 8));
/** Hash of the agents' session, kept beyond its end. */
export const SESSION: usize = memory.data(HASH_BYTES, 8);
export const PEER_ID: usize = memory.data(ID_BYTES, 8);
export const OWN_R: usize = memory.data(KEY_BYTES, 8);
export const OTHER_R: usize = memory.data(KEY_BYTES, 8);
export const RECEIPT_HASH: usize = memory.data(HASH_BYTES, 8);
export const MERCHANT_NAME: usize = memory.data(TEXT_BYTES_MAX, 8);
/** A ticket that is made, or one that was received and must be kept until its owner has confirmed it. */
export const TICKET: usize = memory.data(TICKET_BYTES_MAX, 8);
const BANK: usize = memory.data(TEXT_BYTES_MAX, 8);
const ACCOUNT: usize = memory.data(TEXT_BYTES_MAX, 8);
const KEPT: usize = memory.data(KEPT_BYTES_MAX, 8);

/** The card that is debited or credited: bank and account number lie in BANK and ACCOUNT. */
export const card = changetype<Card>(memory.data(offsetof<Card>(), 8));
/** The receipt agreed on; its texts lie in BANK and ACCOUNT too. */
export const receipt = changetype<Receipt>(memory.data(offsetof<Receipt>(), 8));
/** Scratch: the ticket that a message brought, or that was read from the holder. */
export const ticket = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));

export function isMerchant(): bool {
  return elementRole() == ROLE_MERCHANT;
}

/** The merchant pays when the customer buys. */
export function isPayer(): bool {
  return (transaction.type == TYPE_PURCHASE) == isMerchant();
}

/** Begins with nothing known but what the host asked for. */
export function transactionBegin(goal: i32): void {
  transactionForget();
  transaction.goal = goal;
}

/** The session is open: who the peer is stays known until the next transaction begins. */
export function transactionOpened(): void {
  memory.copy(SESSION, sessionHash(peer), HASH_BYTES);
  memory.copy(PEER_ID, peerCertificate.id, ID_BYTES);
  transaction.hasSession = 1;
}

/** Keeps bank and account of a card whose bytes go away with the message that brought it. */
export function cardKeep(from: Card): void {
  memory.copy(changetype<usize>(card), changetype<usize>(from), offsetof<Card>());
  memory.copy(BANK, from.bank, from.bankLength);
  memory.copy(ACCOUNT, from.account, from.accountLength);
  card.bank = BANK;
  card.account = ACCOUNT;
  card.customer = 0;
  card.customerLength = 0;
}

/** Points the receipt to the card's texts and to the session, which it was found to repeat or shall name. */
export function receiptUseCard(): void {
  receipt.bank = card.bank;
  receipt.bankLength = card.bankLength;
  receipt.account = card.account;
  receipt.accountLength = card.accountLength;
  receipt.session = SESSION;
}

export function keptSet(bytes: usize, length: u32): bool {
  if (length > KEPT_BYTES_MAX) return false;
  memory.copy(KEPT, bytes, length);
  transaction.keptLength = length;
  return true;
}

export function keptInner(): usize {
  return KEPT;
}

/**
 * Nothing is under way any more. Both channels stay until the next begin: what comes then is refused by the state, but a
 * repeat of the last message is known and answered again.
 */
export function transactionEnd(): void {
  transactionForget();
  stateSet(STATE_IDLE);
}

/** The same, for a state of its own. */
export function transactionRelease(next: i32): void {
  transactionForget();
  stateSet(next);
}

function transactionForget(): void {
  memory.fill(changetype<usize>(transaction), 0, offsetof<Transaction>());
  memory.fill(changetype<usize>(card), 0, offsetof<Card>());
  memory.fill(changetype<usize>(receipt), 0, offsetof<Receipt>());
  memory.fill(OWN_R, 0, KEY_BYTES);
  memory.fill(OTHER_R, 0, KEY_BYTES);
  memory.fill(BANK, 0, TEXT_BYTES_MAX);
  memory.fill(ACCOUNT, 0, TEXT_BYTES_MAX);
  memory.fill(TICKET, 0, TICKET_BYTES_MAX);
  memory.fill(KEPT, 0, KEPT_BYTES_MAX);
}
