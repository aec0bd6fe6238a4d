/**
 * The owner's order about spending limits: PUT DATA 01 02. It carries the PIN, because whoever sits in the host of a module whose
 * PIN is verified can do everything else: the limits are what bounds it.
 */

import {
  SW_CONDITIONS,
  SW_FUNCTION_UNSUPPORTED,
  SW_MEMORY_FAILURE,
  SW_NOT_ENOUGH_SPACE,
  SW_OK,
  SW_WRONG_DATA,
  SW_WRONG_LENGTH,
} from "../protocol/apdu";
import { ROLE_TRANSACTION } from "../protocol/kinds";
import { PIN_DIGITS_MAX } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_STORE_FULL } from "../protocol/reasons";
import { isUsable } from "../lib/dispatcher";
import { elementRole } from "../lib/identity";
import { INBOUND, INBOUND_BYTES, IO, load16, load64 } from "../lib/io";
import { wipe } from "../lib/memory";
import { pinVerify } from "../lib/pin";
import { storeBegin, storeCommit } from "../lib/store";
import { reserve } from "./space";
import { AMOUNT_MAX, LIMIT_BYTES, limitDelete, limitFind, limitNew, limitPut } from "./spending-limits";
import { amountCheck } from "./terms";

/** What follows the PIN: currency (2), exponent (1), most for one payment (8), most for one day (8). */
const TERMS_BYTES: u32 = 19;

/** PIN length (1), PIN digits, terms, in INBOUND. A status word; when the PIN is wrong, that of VERIFY. */
export function spendingOrder(length: u32): i32 {
  const status = order(INBOUND, length);
  // The digits lie where the command came, and where it was put together.
  wipe(INBOUND, INBOUND_BYTES);
  wipe(IO, INBOUND_BYTES);
  return status;
}

function order(data: usize, length: u32): i32 {
  if (!isUsable()) return SW_CONDITIONS;
  if (elementRole() != ROLE_TRANSACTION) return SW_FUNCTION_UNSUPPORTED;
  if (length <= 1 + TERMS_BYTES) return SW_WRONG_LENGTH;
  const digits: u32 = load<u8>(data);
  if (digits > <u32>PIN_DIGITS_MAX || length != 1 + digits + TERMS_BYTES) return SW_WRONG_LENGTH;
  const at = data + 1 + digits;
  const currency = load16(at);
  const exponent: u32 = load<u8>(at, 2);
  const payment = load64(at + 3);
  const day = load64(at + 11);
  if (amountCheck(1, currency, exponent) < 0 || payment > AMOUNT_MAX || day > AMOUNT_MAX) return SW_WRONG_DATA;
  // Asked for anew, whatever was verified before. What makes no sense has cost no try.
  const owner = pinVerify(data + 1, digits);
  return owner == SW_OK ? statusOf(keep(currency, exponent, payment, day)) : owner;
}

function statusOf(error: i32): i32 {
  if (error >= 0) return SW_OK;
  return error == -REASON_STORE_FULL ? SW_NOT_ENOUGH_SPACE : SW_MEMORY_FAILURE;
}

/** Sets both limits of a unit. Without any there is no record, and no count: what is set later starts from nothing spent. */
function keep(currency: u32, exponent: u32, payment: u64, day: u64): i32 {
  let index = limitFind(currency, exponent);
  if (index < 0 && index != -REASON_NOT_FOUND) return index;
  const isNew = index < 0;
  if (payment == 0 && day == 0) return isNew ? 0 : remove(index);
  if (isNew) index = limitNew(currency, exponent);
  if (index < 0) return index;
  // In place of an old record it takes no room that is spoken for.
  let status = isNew ? reserve(LIMIT_BYTES, 1) : storeBegin(LIMIT_BYTES, 1);
  if (status >= 0) status = limitPut(index, payment, day);
  return status < 0 ? status : storeCommit();
}

function remove(index: u32): i32 {
  let status = storeBegin(0, 1);
  if (status >= 0) status = limitDelete(index);
  return status < 0 ? status : storeCommit();
}
