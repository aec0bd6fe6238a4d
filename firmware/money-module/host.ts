/**
 * The host's commands: To Subscriber and To Bank (fig. 12, 558, 604; docs/PROTOCOLS.md, section 5). All of them need the
 * owner's PIN. A command that makes no sense now is refused by a status word; one that is understood and cannot be carried
 * out answers NOTICE_ABORTED with the reason.
 */

import { HASH_BYTES } from "../platform/constants";
import { SW_CONDITIONS, SW_NOT_ALLOWED, SW_SECURITY_STATUS, SW_WRONG_DATA } from "../protocol/apdu";
import { PURPOSE_OUTCOME, PURPOSE_TRANSACTION, ROLE_GENERATOR, ROLE_TELLER } from "../protocol/kinds";
import { ID_BYTES, WALLET_NOTES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import {
  REASON_CANCELLED,
  REASON_DECLINED,
  REASON_MALFORMED,
  REASON_NOT_FOUND,
  REASON_NOT_PERMITTED,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { isUsable } from "../lib/dispatcher";
import { noticeBegin, noticeEnd, outboxClear, outboxAdd } from "../lib/envelope";
import { establishEnd, establishExpect, establishStart } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { linkEnd } from "../lib/link";
import { pairBegin } from "../lib/pairing";
import { pinVerified } from "../lib/pin";
import { abortTransaction } from "./abort";
import { acknowledge } from "./commit";
import { verdict } from "./module";
import { consent, dissent, takeAmount } from "./payment";
import { fundsFor } from "./funds";
import { namedRead, namedTerms } from "./named-notes";
import { readMemo, readTerms } from "./terms";
import { offer, offerFresh } from "./transfer-notes";
import { pendingFind } from "./pending";
import { redeemDone, redeemStart } from "./redeem";
import { handshakeRoom, sendHandshake } from "./routing";
import * as T from "./transaction";
import { taintUpdate } from "./taint";
import { t } from "./transaction";

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/** KIND_HOST: a command. A status word. */
export function hostTake(body: usize, length: u32): i32 {
  reader.begin(body, length);
  const items = reader.array();
  const number = reader.number();
  if (reader.failed != 0 || items == 0) return SW_WRONG_DATA;
  if (number == M.COMMAND_PAIR) return pair(items);
  if (!isUsable()) return SW_CONDITIONS;
  if (!pinVerified()) return SW_SECURITY_STATUS;
  switch (number) {
    case M.COMMAND_CANCEL:
      return items == 1 && reader.finish() == 0 ? cancel() : SW_WRONG_DATA;
    case M.COMMAND_YES:
    case M.COMMAND_NO:
      return answer(number, items);
    case M.COMMAND_AMOUNT:
      return items == 4 ? newAmount() : SW_WRONG_DATA;
    case M.COMMAND_PAY:
    case M.COMMAND_REQUEST:
    case M.COMMAND_WITHDRAW:
    case M.COMMAND_LISTEN:
    case M.COMMAND_OUTCOME:
      return T.isFree() ? start(number, items) : SW_NOT_ALLOWED;
    case M.COMMAND_PAY_NOTES:
      return T.isFree() ? startNamed(items) : SW_NOT_ALLOWED;
    case M.COMMAND_FORGET:
      return forget(items);
    case M.COMMAND_REDEEM:
    case M.COMMAND_REDEEMED:
      return redeem(number, items);
    default:
      return SW_WRONG_DATA;
  }
}

function pair(items: u32): i32 {
  const initiator = reader.bool();
  if (items != 2 || reader.finish() < 0 || initiator) return SW_WRONG_DATA;
  return verdict(pairBegin());
}

/** A new transaction, by the host's order. Malformed orders change nothing, not even what the last transaction left. */
function start(number: i32, items: u32): i32 {
  let initiator = number == M.COMMAND_PAY || number == M.COMMAND_WITHDRAW;
  let status = 0;
  const terms = items == 5;
  if (terms) status = checkTerms();
  else if (number == M.COMMAND_OUTCOME && items == 2) initiator = reader.bool();
  else if (items != 1 || (number != M.COMMAND_PAY && number != M.COMMAND_LISTEN)) return SW_WRONG_DATA;
  if (terms && (number == M.COMMAND_LISTEN || number == M.COMMAND_OUTCOME)) return SW_WRONG_DATA;
  if (status == -REASON_MALFORMED || (status == 0 && reader.finish() < 0)) return SW_WRONG_DATA;
  outboxClear();
  if (status >= 0) status = mayStart(number);
  if (status >= 0) status = begin(number, terms, initiator);
  return status < 0 ? refuse(status) : verdict(0);
}

/** The same with notes that the host names: what a teller would not take is refused before anybody is asked. */
function startNamed(items: u32): i32 {
  T.transactionClear();
  if (items != 3 || namedRead(reader) < 0 || readMemo(reader) < 0 || reader.finish() < 0) return SW_WRONG_DATA;
  outboxClear();
  let status = mayStart(M.COMMAND_PAY_NOTES);
  if (status >= 0) status = namedTerms();
  if (status >= 0) status = begin(M.COMMAND_PAY_NOTES, true, true);
  return status < 0 ? refuse(status) : verdict(0);
}

/** Reads the terms into a cleared transaction: a refused order leaves none. */
function checkTerms(): i32 {
  T.transactionClear();
  return readTerms(reader);
}

function mayStart(number: i32): i32 {
  const generator = elementRole() == ROLE_GENERATOR;
  const bank = generator || elementRole() == ROLE_TELLER;
  // A bank's modules pay when they are asked, and a generator never takes money.
  if ((number == M.COMMAND_PAY || number == M.COMMAND_PAY_NOTES) && bank) return -REASON_NOT_PERMITTED;
  return generator && (number == M.COMMAND_REQUEST || number == M.COMMAND_WITHDRAW) ? -REASON_NOT_PERMITTED : 0;
}

function begin(number: i32, terms: bool, initiator: bool): i32 {
  linkEnd();
  establishEnd();
  // The order has been read to its end, so that its buffer is free.
  taintUpdate();
  if (!terms) T.transactionClear();
  t.order = orderOf(number, terms);
  t.payer = number == M.COMMAND_PAY || number == M.COMMAND_PAY_NOTES ? 1 : 0;
  if (t.order == T.ORDER_PAY) {
    const funds = fundsFor(t.amount, t.currency, t.exponent, true);
    if (funds < 0) return funds;
  }
  const purpose = number == M.COMMAND_OUTCOME ? PURPOSE_OUTCOME : PURPOSE_TRANSACTION;
  t.state = T.HANDSHAKE;
  if (!initiator) return establishExpect(purpose, 0);
  const length = establishStart(purpose, 0, handshakeRoom());
  return length < 0 ? length : sendHandshake(length);
}

function orderOf(number: i32, terms: bool): u32 {
  switch (number) {
    case M.COMMAND_PAY:
      return terms ? T.ORDER_PAY : T.ORDER_PAY_REQUESTED;
    case M.COMMAND_REQUEST:
      return T.ORDER_REQUEST;
    case M.COMMAND_WITHDRAW:
      return T.ORDER_WITHDRAW;
    case M.COMMAND_OUTCOME:
      return T.ORDER_OUTCOME;
    case M.COMMAND_PAY_NOTES:
      return T.ORDER_PAY_NOTES;
    default:
      return T.ORDER_LISTEN;
  }
}

/** Nothing has started: the reason to the host, and no transaction. */
function refuse(status: i32): i32 {
  T.transactionClear();
  establishEnd();
  outboxClear();
  if (status > -100) return verdict(status);
  const w = noticeBegin(M.NOTICE_ABORTED, 4);
  w.uint(-status);
  w.bool(false);
  w.nil();
  noticeEnd();
  return verdict(0);
}

function cancel(): i32 {
  if (T.isFree() || t.viaAgent != 0) return SW_NOT_ALLOWED;
  outboxClear();
  return verdict(abortTransaction(REASON_CANCELLED, false));
}

/** YES or NO to a prompt. */
function answer(number: i32, items: u32): i32 {
  if (t.state != T.PROMPT || t.viaAgent != 0) return SW_NOT_ALLOWED;
  if (number == M.COMMAND_NO) {
    const reason = reader.uint();
    if (items != 2 || reader.finish() < 0 || reason < 100 || reason > 255) return SW_WRONG_DATA;
    outboxClear();
    // The payee may ask for another amount; everything else ends it (612-618).
    if (reason == REASON_WRONG_AMOUNT && t.payer == 0) return orAbort(dissent());
    return verdict(abortTransaction(<i32>reason, false));
  }
  const fresh = items == 2 && t.payer != 0 && elementRole() == ROLE_GENERATOR;
  if (!fresh && (items != 1 || reader.finish() < 0)) return SW_WRONG_DATA;
  outboxClear();
  if (t.payer == 0) return orAbort(consent());
  return orAbort(fresh ? offerFresh(reader) : offer());
}

/** Another amount, after the payee refused the first (618-622). */
function newAmount(): i32 {
  if (t.state != T.NEW_AMOUNT) return SW_NOT_ALLOWED;
  const amount = reader.uint();
  const currency = reader.uint();
  const exponent = reader.uint();
  if (reader.finish() < 0) return SW_WRONG_DATA;
  outboxClear();
  return orAbort(takeAmount(amount, currency, exponent));
}

function orAbort(status: i32): i32 {
  if (status >= 0) return verdict(0);
  outboxClear();
  return verdict(abortTransaction(status > -100 ? REASON_DECLINED : -status, false));
}

/** The bank has recorded the outcome of a payment (section 5: forgetting). */
function forget(items: u32): i32 {
  const id = reader.fixed(HASH_BYTES);
  if (items != 2 || reader.finish() < 0) return SW_WRONG_DATA;
  const index = pendingFind(id);
  // Said twice, it is as true as the first time.
  return index < 0 ? verdict(0) : verdict(acknowledge(index, false));
}

/** Redemption at a teller: the note goes to the books, then it is destroyed. */
function redeem(number: i32, items: u32): i32 {
  if (elementRole() != ROLE_TELLER || !T.isFree()) return SW_NOT_ALLOWED;
  const at = reader.uint();
  let id: usize = 0;
  if (number == M.COMMAND_REDEEMED) id = reader.fixed(ID_BYTES);
  if (items != (id == 0 ? 2 : 3) || reader.finish() < 0 || at >= <u64>WALLET_NOTES_MAX) return SW_WRONG_DATA;
  outboxClear();
  const status = id == 0 ? redeemStart(<u32>at) : redeemDone(<u32>at, id);
  return status == -REASON_NOT_FOUND ? SW_WRONG_DATA : verdict(status);
}
