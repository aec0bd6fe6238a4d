// Tickets of the trusted agent as a test sees them. Addresses are the test's own affair.
import { slotGenerate, slotPublic } from "../../firmware/platform/imports";
import {
  accountMask,
  Card,
  cardRead,
  componentsFit,
  Ticket,
  ticketCreate,
  TicketDraft,
  ticketHash,
  ticketRead,
  ticketValidate,
} from "../../firmware/trusted-agent/ticket";

const ticket = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));
const card = changetype<Card>(memory.data(offsetof<Card>(), 8));
const draft = changetype<TicketDraft>(memory.data(offsetof<TicketDraft>(), 8));

export function read(p: usize, n: u32): i32 {
  return ticketRead(p, n, ticket);
}
export function validate(rootId: usize, rootKey: usize, now: u64, holder: usize): i32 {
  return ticketValidate(ticket, rootId, rootKey, now, holder);
}
export function hash(into: usize): i32 {
  return ticketHash(ticket, into);
}
export function typeOf(): u32 {
  return ticket.type;
}
export function readCard(): i32 {
  return cardRead(ticket, card);
}
export function fits(type: u32, components: usize, length: u32): i32 {
  return componentsFit(type, components, length);
}
export function mask(account: usize, length: u32, into: usize): void {
  accountMask(account, length, into);
}
export function generate(slot: u32, into: usize): i32 {
  const status = slotGenerate(slot, 1);
  return status < 0 ? status : slotPublic(slot, into, 32);
}
export function draftIssuer(
  name: usize,
  nameLength: u32,
  expiry: u64,
  id: usize,
  chain: usize,
  chainLength: u32,
): void {
  draft.issuerName = name;
  draft.issuerNameLength = nameLength;
  draft.issuerExpiry = expiry;
  draft.issuerId = id;
  draft.chain = chain;
  draft.chainLength = chainLength;
}
export function draftContent(type: u32, receiver: usize, expiry: u64, components: usize, length: u32, date: u64): void {
  draft.type = type;
  draft.receiver = receiver;
  draft.receiverExpiry = expiry;
  draft.components = components;
  draft.componentsLength = length;
  draft.date = date;
}
export function create(slot: u32, out: usize, capacity: u32): i32 {
  draft.slot = slot;
  return ticketCreate(draft, out, capacity);
}
