/** READ RECORD: the log, and the tickets with masked account numbers (docs/APDU.md). */

import { Writer } from "../lib/cbor";
import { IO } from "../lib/io";
import { logRead } from "../lib/log";
import { responseSet } from "../lib/personalise";
import { pinVerified } from "../lib/pin";
import {
  FILE_LOG,
  FILE_TICKETS,
  SW_MEMORY_FAILURE,
  SW_NOT_FOUND,
  SW_OK,
  SW_RECORD_NOT_FOUND,
  SW_SECURITY_STATUS,
  SW_WRONG_LENGTH,
  SW_WRONG_P1P2,
} from "../protocol/apdu";
import { TEXT_BYTES_MAX } from "../protocol/limits";
import { TICKET_RECEIPT } from "../protocol/messages";
import { Receipt, receiptRead, receiptWriteRest } from "./receipt";
import { accountMask, Card, cardRead, Credential, credentialRead, Ticket, ticketIsCard } from "./ticket";
import { holderNumber, holderRead } from "./ticket-holder";

const RECORD_BYTES_MAX: u32 = 512;
/** P2's low bits: the record whose number is in P1. */
const BY_NUMBER: i32 = 4;

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const ticket = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));
const card = changetype<Card>(memory.data(offsetof<Card>(), 8));
const credential = changetype<Credential>(memory.data(offsetof<Credential>(), 8));
const receipt = changetype<Receipt>(memory.data(offsetof<Receipt>(), 8));
const masked: usize = memory.data(TEXT_BYTES_MAX, 8);

/** A status word; the record is in IO. */
export function readRecord(number: u32, p2: i32, length: u32): i32 {
  if (length != 0) return SW_WRONG_LENGTH;
  if ((p2 & 7) != BY_NUMBER) return SW_WRONG_P1P2;
  if (!pinVerified()) return SW_SECURITY_STATUS;
  writer.begin(IO, RECORD_BYTES_MAX);
  const file = p2 >> 3;
  if (file == FILE_LOG) {
    if (!logRead(number, writer)) return SW_RECORD_NOT_FOUND;
  } else if (file == FILE_TICKETS) {
    const status = writeTicket(number);
    if (status != SW_OK) return status;
  } else {
    return SW_NOT_FOUND;
  }
  const written = writer.finish();
  if (written < 0) return SW_MEMORY_FAILURE;
  responseSet(written);
  return SW_OK;
}

/** [type, issuer name, expiry, components...] */
function writeTicket(number: u32): i32 {
  const index = holderNumber(number);
  if (index < 0) return SW_RECORD_NOT_FOUND;
  let status = holderRead(index, ticket);
  if (status == 0) status = readComponents();
  if (status < 0) return SW_MEMORY_FAILURE;
  if (ticketIsCard(ticket.type)) writeCard();
  else if (ticket.type == TICKET_RECEIPT) writeReceipt();
  else writeCredential();
  return SW_OK;
}

function readComponents(): i32 {
  if (ticketIsCard(ticket.type)) return cardRead(ticket, card);
  return ticket.type == TICKET_RECEIPT ? receiptRead(ticket, receipt) : credentialRead(ticket, credential);
}

function writeHead(components: u32): void {
  writer.array(3 + components);
  writer.uint(ticket.type);
  writer.text(ticket.issuerName, ticket.issuerNameLength);
  writer.uint(ticket.receiverExpiry);
}

function writeAccount(account: usize, length: u32): void {
  accountMask(account, length, masked);
  writer.text(masked, length);
}

function writeCredential(): void {
  writeHead(2);
  writer.text(credential.name, credential.nameLength);
  writer.uint(credential.expiry);
}

function writeCard(): void {
  writeHead(5);
  writer.text(card.bank, card.bankLength);
  writeAccount(card.account, card.accountLength);
  writer.uint(card.validFrom);
  writer.uint(card.expiry);
  writer.text(card.customer, card.customerLength);
}

function writeReceipt(): void {
  writeHead(13);
  writer.text(receipt.bank, receipt.bankLength);
  writeAccount(receipt.account, receipt.accountLength);
  receiptWriteRest(receipt, writer);
}
