/**
 * The card network's approval (WO 96/41315 fig. 7, 796-815): neither agent has to believe the merchant's host.
 *
 *   [1, receipt hash, bank id, account, type, authorization amount, [account currency, exponent], STAN, date, last day]
 *
 * signed by an element of role network under the agents' root. It must match the receipt field by field, and no payment
 * starts after its last day, a date in seconds.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { Reader } from "../lib/cbor";
import { Certificate, chainVerify } from "../lib/certificate";
import { cosePayload, cosePayloadLength, coseVerify } from "../lib/cose";
import { equal } from "../lib/memory";
import { ROLE_NETWORK, SIGNED_APPROVAL, TREE_AGENTS } from "../protocol/kinds";
import { SECONDS_BITS, TEXT_BYTES_MAX } from "../protocol/limits";
import { REASON_APPROVAL_INVALID, REASON_MALFORMED, REASON_VERSION, REASON_WRONG_ROLE } from "../protocol/reasons";
import { CURRENCY_MAX, EXPONENT_MAX, Receipt } from "./receipt";

const APPROVAL_VERSION: u64 = 1;
export const APPROVAL_BYTES_MAX: i32 = 384;
/** System trace audit number: six decimal digits. */
const STAN_MAX: u64 = 999999;


@unmanaged
export class Approval {
  authorization: u64;
  date: u64;
  lastDay: u64;
  stan: u32;
  type: u32;
  accountCurrency: u32;
  accountExponent: u32;
  receiptHash: usize;
  bank: usize;
  bankLength: u32;
  account: usize;
  accountLength: u32;
}

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const network = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

/** Reads an approval strictly; its signature is not looked at. */
export function approvalRead(approval: usize, length: u32, into: Approval): i32 {
  const content = cosePayload(approval, length);
  if (content == 0 || length > <u32>APPROVAL_BYTES_MAX) return -REASON_MALFORMED;
  reader.begin(content, cosePayloadLength());
  reader.arrayOf(10);
  const version = reader.uint();
  into.receiptHash = reader.fixed(HASH_BYTES);
  into.bank = reader.text(TEXT_BYTES_MAX);
  into.bankLength = reader.length;
  into.account = reader.text(TEXT_BYTES_MAX);
  into.accountLength = reader.length;
  into.type = small(255);
  into.authorization = reader.amount();
  reader.arrayOf(2);
  into.accountCurrency = small(CURRENCY_MAX);
  into.accountExponent = small(EXPONENT_MAX);
  into.stan = small(STAN_MAX);
  into.date = reader.uint();
  into.lastDay = reader.uint();
  if ((into.date | into.lastDay) >> SECONDS_BITS != 0) reader.fail(REASON_MALFORMED);
  const result = reader.finish();
  return result == 0 && version != APPROVAL_VERSION ? -REASON_VERSION : result;
}

function small(max: u64): u32 {
  const value = reader.uint();
  if (value > max) reader.fail(REASON_MALFORMED);
  return <u32>value;
}

/** Checks that an approval which was read from these bytes is the network's own word. */
export function approvalVerify(
  approval: usize,
  length: u32,
  chain: usize,
  chainLength: u32,
  rootId: usize,
  rootKey: usize,
  now: u64,
): i32 {
  const result = chainVerify(chain, chainLength, rootId, rootKey, TREE_AGENTS, now, network);
  if (result < 0) return result;
  if (network.role != ROLE_NETWORK) return -REASON_WRONG_ROLE;
  return coseVerify(SIGNED_APPROVAL, approval, length, network.signatureKey);
}

/** Id of the network whose approval was verified last, 16 bytes. */
export function approvalNetworkId(): usize {
  return network.id;
}

/** Compares every field with the receipt whose hash is given, and the last day with the date. */
export function approvalMatches(approval: Approval, receipt: Receipt, receiptHash: usize, now: u64): i32 {
  const same =
    equal(approval.receiptHash, receiptHash, HASH_BYTES) &&
    approval.bankLength == receipt.bankLength &&
    equal(approval.bank, receipt.bank, receipt.bankLength) &&
    approval.accountLength == receipt.accountLength &&
    equal(approval.account, receipt.account, receipt.accountLength) &&
    approval.type == receipt.type &&
    approval.authorization == receipt.authorization &&
    approval.accountCurrency == receipt.accountCurrency &&
    approval.accountExponent == receipt.accountExponent;
  if (!same) return -REASON_APPROVAL_INVALID;
  return now > approval.lastDay ? -REASON_APPROVAL_INVALID : 0;
}

/** SHA-256 of all bytes of an approval, by which outcomes name it. */
export function approvalHash(approval: usize, length: u32, into: usize): i32 {
  return sha256(approval, length, into, HASH_BYTES);
}
