/**
 * ENVELOPE: a purse hears its host and nobody else. A command that cannot be read is refused by a status word, and
 * one that is understood and cannot be carried out answers NOTICE_ABORTED with the reason; neither changes anything.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { SW_CONDITIONS, SW_MEMORY_FAILURE, SW_NOT_ALLOWED, SW_SECURITY_STATUS, SW_WRONG_DATA } from "../protocol/apdu";
import { ADDRESS_HOST, KIND_HOST, NOTICE_ABORTED } from "../protocol/messages";
import { REASON_MALFORMED } from "../protocol/reasons";
import * as C from "../protocol/tokens";
import { Reader } from "../lib/cbor";
import { isUsable, statusWaiting } from "../lib/dispatcher";
import { noticeBegin, noticeEnd, outboxClear, outboxRewind } from "../lib/envelope";
import { equal } from "../lib/memory";
import { pinVerified } from "../lib/pin";
import { allowTake, findTake } from "./allowance";
import { closeTake, forgetTake, settledTake } from "./close";
import { installTake } from "./install";
import { pursesForget } from "./purse";
import { requestRepeat, requestTake } from "./request";
import { spendTake } from "./spend";

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/**
 * Of the last command, if it was carried out and cannot be twice: the same again, because the answer was lost, is
 * answered again.
 */
const done = memory.data(HASH_BYTES, 8);
const hash = memory.data(HASH_BYTES, 8);
let isDone: bool = false;

/** After power-up. */
export function dispatchReset(): void {
  isDone = false;
}

/** ENVELOPE: source address, kind, body. A status word. */
export function envelope(data: usize, length: u32): i32 {
  if (length < 2) return SW_WRONG_DATA;
  if (load<u8>(data) != ADDRESS_HOST || load<u8>(data, 1) != KIND_HOST) return SW_NOT_ALLOWED;
  if (!isUsable()) return SW_CONDITIONS;
  const status = hostTake(data + 2, length - 2);
  pursesForget();
  return status;
}

function hostTake(body: usize, length: u32): i32 {
  reader.begin(body, length);
  const items = reader.array();
  const number = reader.number();
  if (reader.failed != 0 || items == 0) return SW_WRONG_DATA;
  if (!pinVerified() && number != C.COMMAND_PURSE_SPEND && number != C.COMMAND_PURSE_FIND) return SW_SECURITY_STATUS;
  if (sha256(body, length, hash, HASH_BYTES) < 0) return SW_MEMORY_FAILURE;
  if (isDone && pinVerified() && equal(hash, done, HASH_BYTES)) {
    outboxRewind();
    return statusWaiting();
  }
  const status = take(number, items);
  if (status > 0) return status;
  if (status == -REASON_MALFORMED) return SW_WRONG_DATA;
  isDone = status == 0 && happensOnce(number);
  if (isDone) memory.copy(done, hash, HASH_BYTES);
  return status < 0 ? refuse(status) : statusWaiting();
}

/** 0 and its answer in the outbox; a status word; or an error. */
function take(number: i32, items: u32): i32 {
  switch (number) {
    case C.COMMAND_PURSE_REQUEST:
      return requestTake(reader, items);
    case C.COMMAND_PURSE_REPEAT:
      return requestRepeat(reader, items);
    case C.COMMAND_PURSE_FORGET:
      return forgetTake(reader, items);
    case C.COMMAND_PURSE_INSTALL:
      return installTake(reader, items);
    case C.COMMAND_PURSE_SETTLED:
      return settledTake(reader, items);
    case C.COMMAND_PURSE_CLOSE:
      return closeTake(reader, items);
    case C.COMMAND_PURSE_SPEND:
      return spendTake(reader, items);
    case C.COMMAND_PURSE_ALLOW:
      return allowTake(reader, items);
    case C.COMMAND_PURSE_FIND:
      return findTake(reader, items);
    default:
      return -REASON_MALFORMED;
  }
}

/** Carried out again it would be refused, and the host would not know what became of it. */
function happensOnce(number: i32): bool {
  return number == C.COMMAND_PURSE_REQUEST || number == C.COMMAND_PURSE_FORGET || number == C.COMMAND_PURSE_SETTLED;
}

/** The reason to the host. */
function refuse(status: i32): i32 {
  outboxClear();
  if (status > -100) return SW_MEMORY_FAILURE;
  const w = noticeBegin(NOTICE_ABORTED, 4);
  w.uint(-status);
  w.bool(false);
  w.nil();
  noticeEnd();
  return statusWaiting();
}
