/** Receipts of purchase and sale of electronic money, and what is signed about them: approval, outcome, annex. */

import {
  ROLE_NETWORK,
  SIGNED_ANNEX,
  SIGNED_APPROVAL,
  SIGNED_OUTCOME,
  TREE_AGENTS,
} from "../../firmware/protocol/kinds.js";
import { SECONDS_BITS, TEXT_BYTES_MAX } from "../../firmware/protocol/limits.js";
import {
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_PAYMENT,
  REFERENCE_SESSION,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import {
  REASON_AMOUNT_ZERO,
  REASON_APPROVAL_INVALID,
  REASON_ARITHMETIC,
  REASON_RECEIPT_INVALID,
  REASON_VERSION,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { sha256 } from "../crypto.js";
import { AMOUNT_MAX, sameUnit, type Unit } from "../units.js";
import { equalBytes } from "./bytes.js";
import { type CborValue, encode } from "./cbor.js";
import { type Certificate, type Root, verifyChain } from "./certificate.js";
import { payloadOf, sign1, verify1 } from "./cose.js";
import { CodecError } from "./errors.js";
import { Fields } from "./read.js";
import type { Signer } from "./signer.js";

const VERSION = 1;
const HASH_BYTES = 32;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;
const CURRENCY_MAX = 999;
const EXPONENT_MAX = 18;
const RATE_MAX = 0xffffffff;
const STAN_MAX = 999_999;

/** Account units for one unit of electronic money. */
export interface Rate {
  readonly numerator: number;
  readonly denominator: number;
}

export interface Receipt {
  readonly bank: string;
  readonly account: string;
  /** TYPE_PURCHASE or TYPE_SALE. */
  readonly type: number;
  readonly authorization: bigint;
  readonly accountUnit: Unit;
  readonly amount: bigint;
  readonly unit: Unit;
  readonly fee: bigint;
  readonly rate: Rate;
  readonly date: number;
  /** Hash of the agents' session in which it was agreed on. */
  readonly session: Uint8Array;
}

function invalid(what: string): CodecError {
  return new CodecError(`receipt: ${what}`, REASON_RECEIPT_INVALID);
}

/**
 * What the card network is asked for, in the account's unit: amount at the rate, rounded up, plus fee for a purchase,
 * rounded down, less fee for a sale.
 */
export function authorizationAmount(
  terms: Omit<Receipt, "authorization" | "bank" | "account" | "date" | "session">,
): bigint {
  const { type, amount, fee, rate } = terms;
  if (type !== TYPE_PURCHASE && type !== TYPE_SALE) throw invalid(`type ${type}`);
  if (amount === 0n) throw new CodecError("receipt: the amount is zero", REASON_AMOUNT_ZERO);
  if (rate.numerator === 0 || rate.denominator === 0) throw invalid("a rate with a zero");
  const even = rate.numerator === 1 && rate.denominator === 1;
  if (sameUnit(terms.unit, terms.accountUnit) && !even) throw invalid("one and the same unit at another rate than 1/1");
  const product = amount * BigInt(rate.numerator);
  const divisor = BigInt(rate.denominator);
  const rounded = type === TYPE_PURCHASE ? (product + divisor - 1n) / divisor : product / divisor;
  const authorization = type === TYPE_PURCHASE ? rounded + fee : rounded - fee;
  if (rounded > AMOUNT_MAX || authorization > AMOUNT_MAX)
    throw new CodecError("receipt: more than can be counted", REASON_ARITHMETIC);
  if (authorization <= 0n) throw invalid("the fee takes all of it");
  return authorization;
}

export function receiptFields(receipt: Receipt): CborValue[] {
  return [
    receipt.bank,
    receipt.account,
    receipt.type,
    receipt.authorization,
    receipt.accountUnit.currency,
    receipt.accountUnit.exponent,
    receipt.amount,
    receipt.unit.currency,
    receipt.unit.exponent,
    receipt.fee,
    receipt.rate.numerator,
    receipt.rate.denominator,
    receipt.date,
    receipt.session,
  ];
}

/** Reads the components of a receipt and checks that they add up. */
export function readReceipt(fields: Fields): Receipt {
  const receipt = {
    bank: fields.text("bank", TEXT_BYTES_MAX),
    account: fields.text("account", TEXT_BYTES_MAX),
    type: fields.uint("type", TYPE_SALE),
    authorization: fields.amount("authorization amount"),
    accountUnit: readUnit(fields, "account"),
    amount: fields.amount("amount"),
    unit: readUnit(fields, "money"),
    fee: fields.amount("fee"),
    rate: {
      numerator: fields.uint("rate numerator", RATE_MAX),
      denominator: fields.uint("rate denominator", RATE_MAX),
    },
    date: fields.uint("date", SECONDS_MAX),
    session: fields.bytes("session hash", HASH_BYTES),
  };
  if (receipt.bank === "" || !/^[\x21-\x7e]+$/.test(receipt.account)) throw invalid("no bank or account number");
  if (authorizationAmount(receipt) !== receipt.authorization) throw invalid("the authorization amount does not add up");
  return receipt;
}

function readUnit(fields: Fields, of: string): Unit {
  return {
    currency: fields.uint(`currency of the ${of}`, CURRENCY_MAX),
    exponent: fields.uint(`exponent of the ${of}`, EXPONENT_MAX),
  };
}

/** The card network's word that an amount is reserved. */
export interface Approval {
  readonly receiptHash: Uint8Array;
  readonly bank: string;
  readonly account: string;
  readonly type: number;
  readonly authorization: bigint;
  readonly accountUnit: Unit;
  readonly stan: number;
  readonly date: number;
  /** Last second at which a payment may start. */
  readonly lastDay: number;
}

/** Signed by an element of role network. */
export function signApproval(approval: Approval, signer: Signer): Uint8Array {
  const fields = [
    VERSION,
    approval.receiptHash,
    approval.bank,
    approval.account,
    approval.type,
    approval.authorization,
    [approval.accountUnit.currency, approval.accountUnit.exponent],
    approval.stan,
    approval.date,
    approval.lastDay,
  ];
  return sign1(SIGNED_APPROVAL, encode(fields), signer);
}

/** Reads an approval strictly; its signature is not looked at. */
export function readApproval(bytes: Uint8Array): Approval {
  const fields = Fields.decode(payloadOf(bytes), "approval", 10);
  checkVersion(fields, "approval");
  const approval = {
    receiptHash: fields.bytes("receipt hash", HASH_BYTES),
    bank: fields.text("bank", TEXT_BYTES_MAX),
    account: fields.text("account", TEXT_BYTES_MAX),
    type: fields.uint("type", 255),
    authorization: fields.amount("authorization amount"),
    accountUnit: readUnit(fields.array("account unit", 2), "account"),
    stan: fields.uint("STAN", STAN_MAX),
    date: fields.uint("date", SECONDS_MAX),
    lastDay: fields.uint("last day", SECONDS_MAX),
  };
  return approval;
}

/** Checks chain, role and signature of an approval; what it says is then the network's word. */
export function verifyApproval(bytes: Uint8Array, chain: Uint8Array, root: Root, now: number | undefined): Approval {
  const { device } = verifyAgent(chain, root, now);
  if (device.role !== ROLE_NETWORK) throw new CodecError("approval: not by a card network", REASON_WRONG_ROLE);
  verify1(SIGNED_APPROVAL, bytes, device.signatureKey);
  return readApproval(bytes);
}

function verifyAgent(chain: Uint8Array, root: Root, now: number | undefined) {
  if (root.tree !== TREE_AGENTS) throw new RangeError("root.tree: this belongs to the agents' tree");
  return verifyChain(chain, root, now);
}

/** Compares every field with a receipt, and the last day with the date. */
export function checkApproval(approval: Approval, receipt: Receipt, receiptHash: Uint8Array, now: number): void {
  const same =
    equalBytes(approval.receiptHash, receiptHash) &&
    approval.bank === receipt.bank &&
    approval.account === receipt.account &&
    approval.type === receipt.type &&
    approval.authorization === receipt.authorization &&
    sameUnit(approval.accountUnit, receipt.accountUnit);
  if (!same) throw new CodecError("approval: says something else than the receipt", REASON_APPROVAL_INVALID);
  if (now > approval.lastDay) throw new CodecError("approval: its last day is over", REASON_APPROVAL_INVALID);
}

/** By this hash outcomes name an approval. */
export function approvalHash(approval: Uint8Array): Uint8Array {
  return sha256(approval);
}

/** An agent's word on an approval. */
export interface Outcome {
  readonly approvalHash: Uint8Array;
  /** Pay-id, or hash of the agents' session. */
  readonly reference: Uint8Array;
  /** REFERENCE_PAYMENT or REFERENCE_SESSION. */
  readonly referenceKind: number;
  /** OUTCOME_COMMITTED or OUTCOME_ABORTED. */
  readonly outcome: number;
}

export function signOutcome(outcome: Outcome, signer: Signer): Uint8Array {
  const { reference, referenceKind } = outcome;
  return sign1(
    SIGNED_OUTCOME,
    encode([VERSION, outcome.approvalHash, reference, referenceKind, outcome.outcome]),
    signer,
  );
}

/** Reads an outcome strictly; its signature is not looked at. */
export function readOutcome(bytes: Uint8Array): Outcome {
  const fields = Fields.decode(payloadOf(bytes), "outcome", 5);
  checkVersion(fields, "outcome");
  const outcome = {
    approvalHash: fields.bytes("approval hash", HASH_BYTES),
    reference: fields.bytes("reference", HASH_BYTES),
    referenceKind: fields.uint("reference kind", REFERENCE_SESSION),
    outcome: fields.uint("outcome", OUTCOME_ABORTED),
  };
  const paid = outcome.referenceKind === REFERENCE_PAYMENT && outcome.outcome === OUTCOME_COMMITTED;
  const known = outcome.referenceKind === REFERENCE_PAYMENT || outcome.referenceKind === REFERENCE_SESSION;
  if (!paid && !(known && outcome.outcome === OUTCOME_ABORTED))
    throw new CodecError("outcome: neither committed by a payment nor aborted");
  return outcome;
}

/** Checks chain and signature of an outcome, and answers whose word it is; which agents may give it is the caller's rule. */
export function verifyOutcome(
  bytes: Uint8Array,
  chain: Uint8Array,
  root: Root,
  now: number | undefined,
): { readonly outcome: Outcome; readonly agent: Certificate } {
  const { device } = verifyAgent(chain, root, now);
  verify1(SIGNED_OUTCOME, bytes, device.signatureKey);
  return { outcome: readOutcome(bytes), agent: device };
}

/** What payment adds to a receipt (fig. 12, step 634). */
export interface Annex {
  readonly receiptHash: Uint8Array;
  readonly payId: Uint8Array;
  readonly date: number;
}

/** Checks the signature of an annex by the agent that holds the receipt. */
export function verifyAnnex(bytes: Uint8Array, holderKey: Uint8Array): Annex {
  const fields = Fields.decode(verify1(SIGNED_ANNEX, bytes, holderKey), "annex", 4);
  checkVersion(fields, "annex");
  return {
    receiptHash: fields.bytes("receipt hash", HASH_BYTES),
    payId: fields.bytes("pay-id", HASH_BYTES),
    date: fields.uint("date", SECONDS_MAX),
  };
}

function checkVersion(fields: Fields, what: string): void {
  const version = fields.uint("version");
  if (version !== VERSION) throw new CodecError(`${what}: version ${version}`, REASON_VERSION);
}
