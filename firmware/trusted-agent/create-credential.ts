/**
 * Create Credential (WO 96/41315 fig. 4D, 180): an authority's agent makes a credential for another agent, as its host has
 * decided on that agent's owner, and delivers it. The first authority makes its own, from its certificate's name.
 */

import { HASH_BYTES } from "../platform/constants";
import { Writer } from "../lib/cbor";
import { Certificate, chainVerify } from "../lib/certificate";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { peerCertificate } from "../lib/establish";
import { elementChain, elementChainLength, elementId, elementRole, rootId, rootKey } from "../lib/identity";
import {
  LOG_RESERVE_BYTES,
  LOG_RESERVE_RECORDS,
  logBegin,
  logCommitted,
  logDetail,
  logPayId,
  logPut,
} from "../lib/log";
import { SLOT_SIGNATURE } from "../lib/slots";
import { storeAbort, storeBegin, storeCommit } from "../lib/store";
import { ROLE_AUTHORITY, TREE_AGENTS } from "../protocol/kinds";
import { ID_BYTES, SECONDS_BITS, TICKET_BYTES_MAX } from "../protocol/limits";
import {
  AGENT_DELIVER,
  LOG_ISSUED,
  NOTICE_GRANT,
  NOTICE_ISSUED,
  OUTCOME_COMMITTED,
  TICKET_AUTHORITY_CREDENTIAL,
} from "../protocol/messages";
import { REASON_MALFORMED, REASON_NOT_FOUND, REASON_NOT_PERMITTED, REASON_TICKET_INVALID } from "../protocol/reasons";
import { holdCredential, mayHold, noticeAcquired } from "./acquire-credential";
import { credential, ownCredential, validate } from "./check-credential";
import { accept, compose, incoming, incomingEnd, incomingItems, incomingSmall, sendToPeer } from "./messages";
import { sessionExpect } from "./session";
import { STATE_DELIVERED, STATE_GRANT, stateSet } from "./states";
import { COMPONENTS_BYTES_MAX, componentsFit, TicketDraft, ticketCreate, ticketHash, ticketRead } from "./ticket";
import { holderFind } from "./ticket-holder";
import { GOAL_ACQUIRE, PEER_ID, TICKET, ticket, transaction, transactionEnd } from "./transaction";

const own = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));
const draft = changetype<TicketDraft>(memory.data(offsetof<TicketDraft>(), 8));
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const components: usize = memory.data(COMPONENTS_BYTES_MAX, 8);
const hash: usize = memory.data(HASH_BYTES, 8);

/** COMMAND_ISSUE: serves the next requester. */
export function issue(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  if (elementRole() != ROLE_AUTHORITY) return -REASON_NOT_PERMITTED;
  if (holderFind(TICKET_AUTHORITY_CREDENTIAL, 0) < 0) return -REASON_NOT_FOUND;
  return sessionExpect(GOAL_ACQUIRE);
}

/** AGENT_ACQUIRE: the host decides. */
export function takeAcquire(): i32 {
  const type = incomingSmall(255);
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (!mayHold(peerCertificate.role, type)) return -REASON_NOT_PERMITTED;
  transaction.ticketType = type;
  const w = noticeBegin(NOTICE_GRANT, 4);
  w.bytes(PEER_ID, ID_BYTES);
  w.uint(peerCertificate.role);
  w.uint(type);
  noticeEnd();
  stateSet(STATE_GRANT);
  return 0;
}

/** COMMAND_GRANT: receiver expiry, then the components as they will stand in the ticket. */
export function grant(): i32 {
  const items = incomingItems();
  const expiry = incoming.uint();
  if (incoming.failed != 0 || items < 3 || expiry >> SECONDS_BITS != 0) return -REASON_MALFORMED;
  const start = incoming.at;
  for (let i: u32 = 2; i < items; i++) incoming.skip();
  const result = incomingEnd(items);
  if (result < 0) return result;
  writer.begin(components, COMPONENTS_BYTES_MAX);
  writer.array(items - 2);
  writer.raw(start, <u32>(incoming.end - start));
  const length = writer.finish();
  if (length < 0) return length;
  const fits = componentsFit(transaction.ticketType, components, length);
  if (fits < 0) return fits;
  const made = makeFor(PEER_ID, expiry, length);
  if (made < 0) return made;
  const logged = logIssued();
  if (logged < 0) return logged;
  accept();
  compose(AGENT_DELIVER, 2).bytes(TICKET, transaction.ticketLength);
  stateSet(STATE_DELIVERED);
  return sendToPeer();
}

/** A ticket in the name of the own authority credential, into TICKET. */
function makeFor(receiver: usize, expiry: u64, componentsLength: u32): i32 {
  const result = ownCredential(TICKET_AUTHORITY_CREDENTIAL);
  if (result < 0) return result;
  draft.issuerName = credential.name;
  draft.issuerNameLength = credential.nameLength;
  draft.issuerExpiry = credential.expiry;
  return make(transaction.ticketType, receiver, expiry, componentsLength);
}

function make(type: u32, receiver: usize, expiry: u64, componentsLength: u32): i32 {
  draft.type = type;
  draft.issuerId = elementId();
  draft.receiver = receiver;
  draft.receiverExpiry = expiry;
  draft.components = components;
  draft.componentsLength = componentsLength;
  draft.chain = elementChain();
  draft.chainLength = elementChainLength();
  draft.slot = SLOT_SIGNATURE;
  draft.date = clockNow();
  const length = ticketCreate(draft, TICKET, TICKET_BYTES_MAX);
  if (length > 0) transaction.ticketLength = length;
  return length;
}

/**
 * Before the ticket leaves: the receiver may have it from then on, whether or not it can say so. So the log names all that an
 * authority ever signed.
 */
function logIssued(): i32 {
  let status = ticketRead(TICKET, transaction.ticketLength, ticket);
  if (status == 0) status = ticketHash(ticket, hash);
  if (status >= 0) status = storeBegin(LOG_RESERVE_BYTES, LOG_RESERVE_RECORDS);
  if (status < 0) return status;
  logBegin(LOG_ISSUED, PEER_ID, OUTCOME_COMMITTED);
  logPayId(hash);
  logDetail(ticket.type);
  status = logPut();
  if (status < 0) storeAbort();
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  return 0;
}

/** AGENT_DELIVERED: the receiver holds it, and the host is told. */
export function takeReceived(): i32 {
  let status = incomingEnd(1);
  if (status == 0) status = ticketRead(TICKET, transaction.ticketLength, ticket);
  if (status == 0) status = ticketHash(ticket, hash);
  if (status < 0) return status;
  const w = noticeBegin(NOTICE_ISSUED, 4);
  w.bytes(PEER_ID, ID_BYTES);
  w.uint(ticket.type);
  w.bytes(hash, HASH_BYTES);
  noticeEnd();
  transactionEnd();
  return 0;
}

/** COMMAND_CREATE_OWN: name and expiry are the certificate's; a new one takes the old one's place. */
export function createOwn(): i32 {
  let result = incomingEnd(1);
  if (result < 0) return result;
  if (elementRole() != ROLE_AUTHORITY) return -REASON_NOT_PERMITTED;
  const tree = TREE_AGENTS;
  const now = clockNow();
  result = chainVerify(elementChain(), elementChainLength(), rootId(tree), rootKey(tree), tree, now, own);
  if (result < 0) return result;
  if (own.nameLength == 0) return -REASON_TICKET_INVALID;
  writer.begin(components, COMPONENTS_BYTES_MAX);
  writer.array(2);
  writer.text(own.name, own.nameLength);
  writer.uint(own.expiry);
  const length = writer.finish();
  assert(length > 0);
  draft.issuerName = own.name;
  draft.issuerNameLength = own.nameLength;
  draft.issuerExpiry = own.expiry;
  result = make(TICKET_AUTHORITY_CREDENTIAL, elementId(), own.expiry, length);
  if (result >= 0) result = ticketRead(TICKET, result, ticket);
  if (result >= 0) result = validate(ticket, elementId());
  if (result < 0) return result;
  const index = holdCredential(ticket, elementId());
  if (index < 0) return index;
  accept();
  transactionEnd();
  noticeAcquired(index, TICKET_AUTHORITY_CREDENTIAL);
  return 0;
}
