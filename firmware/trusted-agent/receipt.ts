/**
 * The receipt of a purchase or sale of electronic money (WO 96/41315 fig. 2, fields 46-58, and fig. 7, 768-778):
 * the components of a ticket of type TICKET_RECEIPT.
 *
 *   [bank id, account number, type, authorization amount, account currency, account exponent,
 *    amount, currency, exponent, fee, rate numerator, rate denominator, date, session hash]
 *
 * The hash of the agents' session makes every receipt one of its kind: an approval of one receipt is never good for a
 * later one that says the same.
 *
 * The rate is account units for one unit of electronic money, as an integer fraction. What rounding adds or takes is
 * always the customer's: a purchase is rounded up, a sale down, so that changing back and forth never makes money.
 */

import { HASH_BYTES } from "../platform/constants";
import { Reader, Writer } from "../lib/cbor";
import { equal } from "../lib/memory";
import { SECONDS_BITS, TEXT_BYTES_MAX } from "../protocol/limits";
import { TICKET_RECEIPT, TYPE_PURCHASE, TYPE_SALE } from "../protocol/messages";
import { REASON_AMOUNT_ZERO, REASON_ARITHMETIC, REASON_MALFORMED, REASON_RECEIPT_INVALID } from "../protocol/reasons";
import { accountFits, Card, Ticket } from "./ticket";

export const CURRENCY_MAX: u64 = 999;
export const EXPONENT_MAX: u64 = 18;

/** Fields of a receipt; texts are pointed to where they were read. */
@unmanaged
export class Receipt {
  authorization: u64;
  amount: u64;
  fee: u64;
  date: u64;
  type: u32;
  accountCurrency: u32;
  accountExponent: u32;
  currency: u32;
  exponent: u32;
  rateNumerator: u32;
  rateDenominator: u32;
  bank: usize;
  bankLength: u32;
  account: usize;
  accountLength: u32;
  /** Hash of the agents' session, 32 bytes. */
  session: usize;
}

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/**
 * What the card network is asked for, in the account's unit: positive, or a negative reason. Amount and fee are below
 * 2^63, the rate's terms below 2^32.
 */
export function authorizationAmount(type: u32, amount: u64, fee: u64, numerator: u32, denominator: u32): i64 {
  if (type != TYPE_PURCHASE && type != TYPE_SALE) return -REASON_RECEIPT_INVALID;
  if (amount == 0) return -REASON_AMOUNT_ZERO;
  if (numerator == 0 || denominator == 0) return -REASON_RECEIPT_INVALID;
  if (amount >> 63 != 0 || fee >> 63 != 0) return -REASON_ARITHMETIC;
  const atRate = multiplyDivide(amount, numerator, denominator, type == TYPE_PURCHASE);
  if (atRate < 0) return atRate;
  const value = <u64>atRate;
  if (type == TYPE_SALE) return fee >= value ? -REASON_RECEIPT_INVALID : <i64>(value - fee);
  const sum = value + fee;
  return sum >> 63 != 0 ? -REASON_ARITHMETIC : <i64>sum;
}

/** amount x numerator / denominator through 96 bits, rounded as asked; -REASON_ARITHMETIC from 2^63 upwards. */
function multiplyDivide(amount: u64, numerator: u32, denominator: u32, up: bool): i64 {
  assert(denominator != 0 && amount >> 63 == 0);
  const low: u64 = (amount & 0xffffffff) * numerator;
  // Below 2^31 x 2^32 + 2^32: no carry is lost.
  const high: u64 = (amount >> 32) * numerator + (low >> 32);
  const quotientHigh: u64 = high / denominator;
  if (quotientHigh >> 31 != 0) return -REASON_ARITHMETIC;
  // The remainder is below the denominator, so this quotient is below 2^32.
  const rest: u64 = ((high % denominator) << 32) | (low & 0xffffffff);
  let quotient: u64 = (quotientHigh << 32) + rest / denominator;
  if (up && rest % denominator != 0) quotient += 1;
  return quotient >> 63 != 0 ? -REASON_ARITHMETIC : <i64>quotient;
}

/** Completes a receipt whose other fields are set: its authorization amount. 0 or a negative reason. */
export function receiptAuthorize(receipt: Receipt): i32 {
  const result = ratedAmount(receipt);
  if (result < 0) return <i32>result;
  receipt.authorization = <u64>result;
  return 0;
}

/** For one and the same unit the rate is 1/1: electronic money is worth what it says. */
function ratedAmount(receipt: Receipt): i64 {
  const sameUnit = receipt.accountCurrency == receipt.currency && receipt.accountExponent == receipt.exponent;
  if (sameUnit && (receipt.rateNumerator != 1 || receipt.rateDenominator != 1)) return -REASON_RECEIPT_INVALID;
  return authorizationAmount(receipt.type, receipt.amount, receipt.fee, receipt.rateNumerator, receipt.rateDenominator);
}

/** Writes the components. */
export function receiptWrite(receipt: Receipt, writer: Writer): void {
  writer.array(14);
  writer.text(receipt.bank, receipt.bankLength);
  writer.text(receipt.account, receipt.accountLength);
  receiptWriteRest(receipt, writer);
  writer.bytes(receipt.session, HASH_BYTES);
}

/** The eleven fields after the account number that a person reads: they are written beside a masked one too. */
export function receiptWriteRest(receipt: Receipt, writer: Writer): void {
  writer.uint(receipt.type);
  writer.uint(receipt.authorization);
  writer.uint(receipt.accountCurrency);
  writer.uint(receipt.accountExponent);
  writer.uint(receipt.amount);
  writer.uint(receipt.currency);
  writer.uint(receipt.exponent);
  writer.uint(receipt.fee);
  writer.uint(receipt.rateNumerator);
  writer.uint(receipt.rateDenominator);
  writer.uint(receipt.date);
}

/** Reads the components of a receipt ticket and checks that they add up. 0 or a negative reason. */
export function receiptRead(ticket: Ticket, into: Receipt): i32 {
  if (ticket.type != TICKET_RECEIPT) return -REASON_RECEIPT_INVALID;
  reader.begin(ticket.components, ticket.componentsLength);
  reader.arrayOf(14);
  into.bank = reader.text(TEXT_BYTES_MAX);
  into.bankLength = reader.length;
  into.account = reader.text(TEXT_BYTES_MAX);
  into.accountLength = reader.length;
  into.type = readSmall(TYPE_SALE);
  into.authorization = reader.amount();
  into.accountCurrency = readSmall(CURRENCY_MAX);
  into.accountExponent = readSmall(EXPONENT_MAX);
  into.amount = reader.amount();
  into.currency = readSmall(CURRENCY_MAX);
  into.exponent = readSmall(EXPONENT_MAX);
  into.fee = reader.amount();
  into.rateNumerator = readSmall(u32.MAX_VALUE);
  into.rateDenominator = readSmall(u32.MAX_VALUE);
  into.date = readSmall64(SECONDS_BITS);
  into.session = reader.fixed(HASH_BYTES);
  const result = reader.finish();
  if (result < 0 || into.bankLength == 0) return -REASON_RECEIPT_INVALID;
  if (!accountFits(into.account, into.accountLength)) return -REASON_RECEIPT_INVALID;
  const authorization = ratedAmount(into);
  if (authorization < 0) return <i32>authorization;
  return <u64>authorization == into.authorization ? 0 : -REASON_RECEIPT_INVALID;
}

function readSmall(max: u64): u32 {
  const value = reader.uint();
  if (value > max) reader.fail(REASON_MALFORMED);
  return <u32>value;
}

function readSmall64(bits: u32): u64 {
  const value = reader.uint();
  if (value >> bits != 0) reader.fail(REASON_MALFORMED);
  return value;
}

/** Whether a receipt says what its customer agreed to: type, amount, unit, and the card that was presented. */
export function receiptMatches(
  receipt: Receipt,
  type: u32,
  amount: u64,
  currency: u32,
  exponent: u32,
  card: Card,
): bool {
  return (
    receipt.type == type &&
    receipt.amount == amount &&
    receipt.currency == currency &&
    receipt.exponent == exponent &&
    receipt.bankLength == card.bankLength &&
    equal(receipt.bank, card.bank, card.bankLength) &&
    receipt.accountLength == card.accountLength &&
    equal(receipt.account, card.account, card.accountLength)
  );
}
