/**
 * The two signed objects of a card authorization: the network's approval, on which the agents rely, and an agent's
 * outcome, on which alone the network acts. Both are COSE_Sign1 over a deterministic CBOR array.
 *
 *   approval = [1, receipt hash, bank id, account number, type, amount, [currency, exponent], STAN, date, last day]
 *   outcome  = [1, approval hash, reference, reference kind, outcome], carried as [outcome, chain of the agent]
 *
 * The approval hash is SHA-256 over the whole signed approval, so that an outcome speaks of one approval only.
 */

import { SIGNED_APPROVAL, SIGNED_OUTCOME, TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { CHAIN_BYTES_MAX, TEXT_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { encode } from "../codec/cbor.js";
import { type Certificate, type Root, verifyChain } from "../codec/certificate.js";
import { payloadOf, sign1, verify1 } from "../codec/cose.js";
import { CodecError } from "../codec/errors.js";
import { Fields } from "../codec/read.js";
import type { Signer, Verifier } from "../codec/signer.js";
import { ed25519Verify, sha256 } from "../crypto.js";
import type { Unit } from "./ledger.js";

const VERSION = 1;
const HASH_BYTES = 32;
const OUTCOME_BYTES_MAX = 256;
const CURRENCY_MAX = 999;
const EXPONENT_MAX = 9;
const STAN_MAX = 999_999;

/** The customer buys electronic money, the card's account is debited. */
export const TYPE_PURCHASE = 1;
/** The customer sells electronic money, the card's account is credited. */
export const TYPE_SALE = 2;

/** What an outcome refers to: the money modules' payment, or the agents' session where there was none. */
export const REFERENCE_PAY_ID = 1;
export const REFERENCE_SESSION = 2;

export const OUTCOME_COMMITTED = 1;
export const OUTCOME_ABORTED = 2;

export interface Approval {
  readonly receiptHash: Uint8Array;
  readonly bankId: string;
  readonly accountNumber: string;
  readonly type: number;
  readonly amount: bigint;
  readonly unit: Unit;
  readonly stan: number;
  /** Transmission date and time of the request that was approved. */
  readonly date_seconds: bigint;
  /** Last second of the last day on which a payment may start. */
  readonly lastDay_seconds: bigint;
}

export interface Outcome {
  readonly approvalHash: Uint8Array;
  readonly reference: Uint8Array;
  readonly referenceKind: number;
  readonly outcome: number;
}

export function signApproval(approval: Approval, signer: Signer): Uint8Array {
  const payload = encode([
    VERSION,
    approval.receiptHash,
    approval.bankId,
    approval.accountNumber,
    approval.type,
    approval.amount,
    [approval.unit.currency, approval.unit.exponent],
    approval.stan,
    approval.date_seconds,
    approval.lastDay_seconds,
  ]);
  return sign1(SIGNED_APPROVAL, payload, signer);
}

/** The approval in a signed object, verified under the network's key, or only read if no key is given. */
export function readApproval(signed: Uint8Array, publicKey?: Uint8Array): Approval {
  const payload = publicKey === undefined ? payloadOf(signed) : verify1(SIGNED_APPROVAL, signed, publicKey);
  const fields = Fields.decode(payload, "approval", 10);
  checkVersion(fields, "approval");
  const approval = {
    receiptHash: fields.bytes("receipt hash", HASH_BYTES),
    bankId: fields.text("bank id", TEXT_BYTES_MAX),
    accountNumber: fields.text("account number", TEXT_BYTES_MAX),
    type: oneOrTwo(fields, "type"),
    amount: fields.amount("amount"),
    unit: readUnit(fields),
    stan: fields.uint("STAN", STAN_MAX),
    date_seconds: fields.amount("date"),
    lastDay_seconds: fields.amount("last day"),
  };
  fields.end();
  return approval;
}

export function approvalHash(signed: Uint8Array): Uint8Array {
  return sha256(signed);
}

/** An agent's outcome with its chain, as it travels. The firmware makes these; the host only in tests and tools. */
export function signOutcome(outcome: Outcome, signer: Signer, chain: Uint8Array): Uint8Array {
  const payload = encode([VERSION, outcome.approvalHash, outcome.reference, outcome.referenceKind, outcome.outcome]);
  return encode([sign1(SIGNED_OUTCOME, payload, signer), chain]);
}

/** The approval an outcome speaks of, before anything is verified: to find its record. */
export function approvalHashOf(evidence: Uint8Array): Uint8Array {
  return readOutcome(payloadOf(openEvidence(evidence).signed)).approvalHash;
}

/**
 * Verifies an outcome and says which agent gave it. As in an outcome session, chain and identity count and not the
 * date: an agent whose certificate has run out meanwhile must still be able to say how a payment ended.
 */
export function verifyOutcome(
  evidence: Uint8Array,
  root: Root,
  certificates: Verifier = ed25519Verify,
): { outcome: Outcome; agent: Certificate } {
  if (root.tree !== TREE_AGENTS) throw new RangeError("root: outcomes are signed in the agents' tree");
  const { signed, chain } = openEvidence(evidence);
  const { device } = verifyChain(chain, root, undefined, certificates);
  return { outcome: readOutcome(verify1(SIGNED_OUTCOME, signed, device.signatureKey)), agent: device };
}

function openEvidence(evidence: Uint8Array): { signed: Uint8Array; chain: Uint8Array } {
  const fields = Fields.decode(evidence, "outcome with chain", 2);
  return { signed: fields.bytes("outcome", 1, OUTCOME_BYTES_MAX), chain: fields.bytes("chain", 1, CHAIN_BYTES_MAX) };
}

function readOutcome(payload: Uint8Array): Outcome {
  const fields = Fields.decode(payload, "outcome", 5);
  checkVersion(fields, "outcome");
  return {
    approvalHash: fields.bytes("approval hash", HASH_BYTES),
    reference: fields.bytes("reference", HASH_BYTES),
    referenceKind: oneOrTwo(fields, "reference kind"),
    outcome: oneOrTwo(fields, "outcome"),
  };
}

function checkVersion(fields: Fields, name: string): void {
  const version = fields.uint("version");
  if (version !== VERSION) throw new CodecError(`${name}: version ${version} is not known here`);
}

function oneOrTwo(fields: Fields, name: string): number {
  const value = fields.uint(name, 2);
  if (value === 0) throw new CodecError(`${name}: 0 has no meaning`);
  return value;
}

function readUnit(fields: Fields): Unit {
  const unit = fields.array("unit", 2);
  return { currency: unit.uint("currency", CURRENCY_MAX), exponent: unit.uint("exponent", EXPONENT_MAX) };
}
