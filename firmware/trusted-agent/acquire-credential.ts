/**
 * Acquire Credential (WO 96/41315 fig. 4B and 4C, 166 and 177): a customer gets a card, a merchant its credential.
 * The authority's side is create-credential.ts.
 */

import { noticeBegin, noticeEnd } from "../lib/envelope";
import { elementId } from "../lib/identity";
import { LOG_RESERVE_BYTES, LOG_RESERVE_RECORDS, logBegin, logCommitted, logDetail, logPut } from "../lib/log";
import { equal } from "../lib/memory";
import { storeAbort, storeBegin, storeCommit } from "../lib/store";
import { ROLE_CUSTOMER, ROLE_MERCHANT } from "../protocol/kinds";
import { ID_BYTES, TICKETS_MAX } from "../protocol/limits";
import {
  AGENT_ACQUIRE,
  AGENT_DELIVERED,
  LOG_ACQUIRED,
  NOTICE_ACQUIRED,
  OUTCOME_COMMITTED,
  TICKET_MERCHANT_CREDENTIAL,
} from "../protocol/messages";
import { REASON_STORE_FULL, REASON_TICKET_INVALID } from "../protocol/reasons";
import { takeTicket, validate } from "./check-credential";
import { compose, composeBare, sendToPeer } from "./messages";

import { STATE_DELIVER, stateSet } from "./states";
import { Card, cardRead, Ticket, ticketIssuerId, ticketIsCard } from "./ticket";
import {
  HELD_GOOD,
  HOLDER_INDEXES,
  HOLDER_RESERVE_BYTES,
  HOLDER_RESERVE_RECORDS,
  heldState,
  heldType,
  holderDelete,
  holderFree,
  holderGood,
  holderOldest,
  holderPut,
  holderRead,
} from "./ticket-holder";
import { PEER_ID, ticket, transaction, transactionEnd } from "./transaction";

const NONE: i32 = -1;

const newCard = changetype<Card>(memory.data(offsetof<Card>(), 8));
const oldCard = changetype<Card>(memory.data(offsetof<Card>(), 8));
const held = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));

/** Which credentials an agent of a role may have from an authority. */
export function mayHold(role: u32, type: u32): bool {
  if (role == ROLE_CUSTOMER) return ticketIsCard(type);
  return role == ROLE_MERCHANT && type == TICKET_MERCHANT_CREDENTIAL;
}

/** The session is open. */
export function requestTicket(): i32 {
  stateSet(STATE_DELIVER);
  compose(AGENT_ACQUIRE, 2).uint(transaction.ticketType);
  return sendToPeer();
}

/** AGENT_DELIVER: validated, stored, logged; the one that it replaces goes in the same write. */
export function takeDelivered(): i32 {
  let result = takeTicket();
  if (result == 0 && ticket.type != transaction.ticketType) result = -REASON_TICKET_INVALID;
  if (result == 0) result = validate(ticket, elementId());
  if (result == 0 && !equal(ticketIssuerId(), PEER_ID, ID_BYTES)) result = -REASON_TICKET_INVALID;
  if (result < 0) return result;
  const index = holdCredential(ticket, PEER_ID);
  if (index < 0) return index;
  composeBare(AGENT_DELIVERED);
  result = sendToPeer();
  if (result < 0) return result;
  noticeAcquired(index, ticket.type);
  transactionEnd();
  return 0;
}

export function noticeAcquired(index: i32, type: u32): void {
  const w = noticeBegin(NOTICE_ACQUIRED, 3);
  w.uint(index);
  w.uint(type);
  noticeEnd();
}

/** Stores a valid credential: its index, or an error. */
export function holdCredential(subject: Ticket, from: usize): i32 {
  const index = holderFree();
  if (index < 0) return index;
  let leaving = replaced(subject);
  if (leaving == NONE) leaving = holderOldest();
  if (leaving == NONE && holderGood() >= TICKETS_MAX) return -REASON_STORE_FULL;
  let status = storeBegin(LOG_RESERVE_BYTES + HOLDER_RESERVE_BYTES, LOG_RESERVE_RECORDS + HOLDER_RESERVE_RECORDS + 4);
  if (status >= 0) status = holderPut(index, subject.type, HELD_GOOD, subject.date, subject.start, subject.length);
  if (status >= 0 && leaving != NONE) status = holderDelete(leaving);
  logBegin(LOG_ACQUIRED, from, OUTCOME_COMMITTED);
  logDetail(subject.type);
  if (status >= 0) status = logPut();
  if (status < 0) storeAbort();
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  return index;
}

/** The index of the credential that a new one takes the place of: the same card, or the one credential of its type. */
function replaced(subject: Ticket): i32 {
  const isCard = ticketIsCard(subject.type);
  if (isCard && cardRead(subject, newCard) < 0) return NONE;
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (heldState(index) != HELD_GOOD || heldType(index) != subject.type) continue;
    if (!isCard) return index;
    if (holderRead(index, held) == 0 && cardRead(held, oldCard) == 0 && isSameCard()) return index;
  }
  return NONE;
}

function isSameCard(): bool {
  return (
    newCard.bankLength == oldCard.bankLength &&
    equal(newCard.bank, oldCard.bank, newCard.bankLength) &&
    newCard.accountLength == oldCard.accountLength &&
    equal(newCard.account, oldCard.account, newCard.accountLength)
  );
}
