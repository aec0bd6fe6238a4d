/**
 * Check Credential (WO 96/41315 fig. 10, steps 444-462): the customer A asks for the merchant credential of B, validates
 * it, and lets its owner confirm whom it deals with.
 */

import { badIdsCheck } from "../lib/bad-ids";
import { clockNow } from "../lib/clock";
import { notice, noticeBegin, noticeEnd } from "../lib/envelope";
import { rootId, rootKey } from "../lib/identity";
import { TREE_AGENTS } from "../protocol/kinds";
import { TICKET_BYTES_MAX } from "../protocol/limits";
import {
  AGENT_CREDENTIAL,
  AGENT_REQUEST_CREDENTIAL,
  NOTICE_AMOUNT,
  NOTICE_CONFIRM_MERCHANT,
  TICKET_MERCHANT_CREDENTIAL,
} from "../protocol/messages";
import { REASON_MALFORMED, REASON_NOT_FOUND, REASON_TICKET_INVALID } from "../protocol/reasons";
import { compose, composeBare, incoming, incomingEnd, sendToPeer } from "./messages";
import { holderFind, holderRead } from "./ticket-holder";
import { Credential, credentialRead, Ticket, ticketIssuerId, ticketRead, ticketValidate } from "./ticket";
import { MERCHANT_NAME, PEER_ID, ticket, transaction } from "./transaction";
import { STATE_AMOUNT, STATE_AMOUNT_TOLD, STATE_CONFIRM_MERCHANT, STATE_CREDENTIAL, stateSet } from "./states";

export const credential = changetype<Credential>(memory.data(offsetof<Credential>(), 8));

/** A (444-446). */
export function requestCredential(): i32 {
  stateSet(STATE_CREDENTIAL);
  composeBare(AGENT_REQUEST_CREDENTIAL);
  return sendToPeer();
}

/** B (448-454). */
export function sendCredential(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  const index = holderFind(TICKET_MERCHANT_CREDENTIAL, 0);
  if (index < 0) return index;
  const read = holderRead(index, ticket);
  if (read < 0) return read;
  compose(AGENT_CREDENTIAL, 2).bytes(ticket.start, ticket.length);
  stateSet(STATE_AMOUNT_TOLD);
  return sendToPeer();
}

/** A (456-460). */
export function takeCredential(): i32 {
  let result = takeTicket();
  if (result == 0 && ticket.type != TICKET_MERCHANT_CREDENTIAL) result = -REASON_TICKET_INVALID;
  if (result == 0) result = validate(ticket, PEER_ID);
  if (result == 0) result = credentialRead(ticket, credential);
  if (result < 0) return result;
  memory.copy(MERCHANT_NAME, credential.name, credential.nameLength);
  transaction.merchantNameLength = credential.nameLength;
  transaction.merchantExpiry = credential.expiry;
  const w = noticeBegin(NOTICE_CONFIRM_MERCHANT, 3);
  w.text(MERCHANT_NAME, transaction.merchantNameLength);
  w.uint(transaction.merchantExpiry);
  noticeEnd();
  stateSet(STATE_CONFIRM_MERCHANT);
  return 0;
}

/** A's owner has confirmed (462); fig. 7, 714. */
export function merchantConfirmed(): i32 {
  notice(NOTICE_AMOUNT);
  stateSet(STATE_AMOUNT);
  return 0;
}

/** Reads the one ticket that a message carries into `ticket`. */
export function takeTicket(): i32 {
  const bytes = incoming.bytes(1, TICKET_BYTES_MAX);
  const length = incoming.length;
  const result = incomingEnd(2);
  return result < 0 ? -REASON_MALFORMED : ticketRead(bytes, length, ticket);
}

/** Validates a ticket for now; its issuer must not be on the list of untrusted agents. */
export function validate(subject: Ticket, holder: usize): i32 {
  const result = ticketValidate(subject, rootId(TREE_AGENTS), rootKey(TREE_AGENTS), clockNow(), holder);
  return result < 0 ? result : badIdsCheck(ticketIssuerId());
}

/** Leaves the own credential of a type in `ticket` and `credential`. */
export function ownCredential(type: u32): i32 {
  const index = holderFind(type, 0);
  if (index < 0) return -REASON_NOT_FOUND;
  const result = holderRead(index, ticket);
  return result < 0 ? result : credentialRead(ticket, credential);
}
