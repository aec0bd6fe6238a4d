/** Receipts, approvals, outcomes and annexes of purchase and sale (WO 96/41315 fig. 7): chip and host. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ROLE_MERCHANT, ROLE_NETWORK } from "../firmware/protocol/kinds.js";
import {
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_PAYMENT,
  REFERENCE_SESSION,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../firmware/protocol/messages.js";
import {
  REASON_AMOUNT_ZERO,
  REASON_APPROVAL_INVALID,
  REASON_ARITHMETIC,
  REASON_BAD_SIGNATURE,
  REASON_MALFORMED,
  REASON_RECEIPT_INVALID,
  REASON_WRONG_ROLE,
} from "../firmware/protocol/reasons.js";
import { CodecError } from "../host/codec/errors.js";
import {
  type Approval,
  approvalHash,
  authorizationAmount,
  checkApproval,
  type Receipt,
  readApproval,
  signApproval,
  signOutcome,
  verifyAnnex,
  verifyApproval,
  verifyOutcome,
} from "../host/codec/receipt.js";
import { issueTicket, readTicket } from "../host/codec/ticket.js";
import { sha256 } from "../host/crypto.js";
import { Agency, idOf, NOW, signerOf } from "./support/agencies.js";
import { FirmwareAssertion, loadModule } from "./support/firmware.js";

interface ReceiptModule {
  authorize(type: number, amount: bigint, fee: bigint, numerator: number, denominator: number): bigint;
  authorizeUnits(currency: number, accountCurrency: number, numerator: number, denominator: number): number;
  readReceipt(p: number, n: number): number;
  readApproval(p: number, n: number): number;
  verifyApproval(p: number, n: number, chain: number, m: number, id: number, key: number, now: bigint): number;
  matches(now: bigint): number;
  generate(slot: number, into: number): number;
  signOutcome(
    h: number,
    reference: number,
    kind: number,
    outcome: number,
    slot: number,
    out: number,
    n: number,
  ): number;
  signAnnex(h: number, payId: number, date: bigint, slot: number, out: number, n: number): number;
}

const agency = new Agency();
const merchant = agency.agent({ fill: 2, role: ROLE_MERCHANT });
const network = agency.agent({ fill: 4, role: ROLE_NETWORK, name: "Card Network" });
const DAY = 86_400;
const EUR = { currency: 978, exponent: 2 };
const USD = { currency: 840, exponent: 2 };

const receipt: Receipt = {
  bank: "First Bank",
  account: "4000123412341234",
  type: TYPE_SALE,
  authorization: 1062n,
  accountUnit: USD,
  amount: 1000n,
  unit: EUR,
  fee: 25n,
  rate: { numerator: 1087, denominator: 1000 },
  date: NOW,
  session: new Uint8Array(32).fill(0x5e),
};

async function load() {
  return loadModule<ReceiptModule>("receipt");
}
let chip: Awaited<ReturnType<typeof load>>;
beforeEach(async () => {
  chip = await load();
});

function hostAuthorize(type: number, amount: bigint, fee: bigint, numerator: number, denominator: number): bigint {
  const terms = { type, amount, fee, rate: { numerator, denominator }, unit: EUR, accountUnit: USD };
  try {
    return authorizationAmount(terms);
  } catch (error) {
    if (error instanceof CodecError) return BigInt(-error.reason);
    throw error;
  }
}

describe("authorization amount", () => {
  it.each([
    ["a purchase rounds up", TYPE_PURCHASE, 1000n, 25n, 1_087_001, 1_000_000, 1113n],
    ["a sale rounds down", TYPE_SALE, 1000n, 25n, 1_087_999, 1_000_000, 1062n],
    ["a fee above the amount is refused", TYPE_SALE, 1000n, 1001n, 1, 1, -REASON_RECEIPT_INVALID],
    ["a fee that takes all is refused", TYPE_SALE, 1000n, 1000n, 1, 1, -REASON_RECEIPT_INVALID],
    ["zero is refused", TYPE_PURCHASE, 0n, 5n, 1, 1, -REASON_AMOUNT_ZERO],
    ["a rate of zero is refused", TYPE_PURCHASE, 5n, 5n, 0, 1, -REASON_RECEIPT_INVALID],
    ["a rate over zero is refused", TYPE_PURCHASE, 5n, 5n, 1, 0, -REASON_RECEIPT_INVALID],
    ["an unknown type is refused", 3, 5n, 5n, 1, 1, -REASON_RECEIPT_INVALID],
    ["the highest amount", TYPE_PURCHASE, 2n ** 63n - 1n, 0n, 0xffffffff, 0xffffffff, 2n ** 63n - 1n],
    ["one more overflows", TYPE_PURCHASE, 2n ** 63n - 1n, 1n, 1, 1, -REASON_ARITHMETIC],
    ["a product above 2^63 overflows", TYPE_PURCHASE, 2n ** 62n, 0n, 2, 1, -REASON_ARITHMETIC],
    ["rounding up into 2^63 overflows", TYPE_PURCHASE, 2n ** 63n - 1n, 0n, 0xffffffff, 0xfffffffe, -REASON_ARITHMETIC],
  ])("%s", (_name, type, amount, fee, numerator, denominator, expected) => {
    expect(chip.exports.authorize(type, amount, fee, numerator, denominator)).toBe(BigInt(expected));
    expect(hostAuthorize(type, amount, fee, numerator, denominator)).toBe(BigInt(expected));
  });

  it("is what exact arithmetic gives, for any terms", () => {
    const rate = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 0xffffffff }));
    const amount = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 100_000n));
    fc.assert(
      fc.property(fc.constantFrom(TYPE_PURCHASE, TYPE_SALE), amount, amount, rate, rate, (type, a, fee, n, d) => {
        expect(chip.exports.authorize(type, a, fee, n, d)).toBe(hostAuthorize(type, a, fee, n, d));
      }),
      { numRuns: 2000 },
    );
  });

  it("never makes money of changing there and back", () => {
    const rate = fc.integer({ min: 1, max: 0xffffffff });
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 40n), rate, rate, (amount, n, d) => {
        const paid = chip.exports.authorize(TYPE_PURCHASE, amount, 0n, n, d);
        const received = chip.exports.authorize(TYPE_SALE, amount, 0n, n, d);
        if (paid > 0n && received > 0n) expect(received).toBeLessThanOrEqual(paid);
      }),
    );
  });

  it("keeps one and the same unit at 1/1", () => {
    expect(chip.exports.authorizeUnits(840, 840, 1, 1)).toBe(0);
    expect(chip.exports.authorizeUnits(840, 840, 2, 2)).toBe(-REASON_RECEIPT_INVALID);
    expect(chip.exports.authorizeUnits(840, 978, 2, 2)).toBe(0);
  });
});

function ticketOf(content: Receipt): Uint8Array {
  const draft = {
    type: TICKET_RECEIPT,
    issuerName: "Corner Shop",
    issuerExpiry: NOW + DAY,
    receiver: idOf(3),
    receiverExpiry: NOW + DAY,
    components: { kind: "receipt", receipt: content } as const,
    date: NOW,
  };
  return issueTicket(draft, merchant);
}

function chipRead(ticket: Uint8Array): number {
  return chip.exports.readReceipt(chip.write(ticket), ticket.length);
}

describe("a receipt", () => {
  it("adds up", () => {
    expect(chipRead(ticketOf(receipt))).toBe(0);
    expect(readTicket(ticketOf(receipt)).components).toEqual({ kind: "receipt", receipt });
  });

  it.each([
    ["an authorization one too high", { authorization: 1063n }],
    ["another fee", { fee: 24n }],
    ["no bank", { bank: "" }],
    ["an account with a space", { account: "4000 1234" }],
    ["an unknown type", { type: 0 }],
    ["a unit that is no ISO 4217 number", { unit: { currency: 1000, exponent: 2 } }],
  ])("is refused with %s", (_name, change) => {
    const ticket = ticketOf({ ...receipt, ...change });
    expect(chipRead(ticket)).toBeLessThan(0);
    expect(() => readTicket(ticket)).toThrow(CodecError);
  });
});

const hash = readTicket(ticketOf(receipt)).hash;
const approval: Approval = {
  receiptHash: hash,
  bank: receipt.bank,
  account: receipt.account,
  type: receipt.type,
  authorization: receipt.authorization,
  accountUnit: receipt.accountUnit,
  stan: 123456,
  date: NOW,
  lastDay: NOW + DAY,
};

function chipApproval(bytes: Uint8Array, chain = network.chain, now = NOW): number {
  const { id, publicKey } = agency.root;
  const at = chip.write(bytes);
  const read = chip.exports.readApproval(at, bytes.length);
  if (read < 0) return read;
  const where = chip.write(chain);
  return chip.exports.verifyApproval(
    at,
    bytes.length,
    where,
    chain.length,
    chip.write(id),
    chip.write(publicKey),
    BigInt(now),
  );
}

describe("the network's approval", () => {
  it("is accepted when it is the network's and says what the receipt says", () => {
    const bytes = signApproval(approval, network.signer);
    expect(chipRead(ticketOf(receipt))).toBe(0);
    expect(chipApproval(bytes)).toBe(0);
    expect(chip.exports.matches(BigInt(NOW + DAY))).toBe(0);
    expect(verifyApproval(bytes, network.chain, agency.root, NOW)).toEqual(approval);
    expect(readApproval(bytes)).toEqual(approval);
    expect(approvalHash(bytes)).toEqual(sha256(bytes));
  });

  it("is refused from anyone else", () => {
    expect(chipApproval(signApproval(approval, signerOf(9)))).toBe(-REASON_BAD_SIGNATURE);
    expect(chipApproval(signApproval(approval, merchant.signer), merchant.chain)).toBe(-REASON_WRONG_ROLE);
    expect(() => verifyApproval(signApproval(approval, merchant.signer), merchant.chain, agency.root, NOW)).toThrow(
      CodecError,
    );
  });

  it.each([
    ["another receipt", { receiptHash: sha256(hash) }],
    ["another bank", { bank: "Last Bank" }],
    ["another account", { account: "4000123412341235" }],
    ["another type", { type: TYPE_PURCHASE }],
    ["another amount", { authorization: 1062n + 1n }],
    ["another currency", { accountUnit: EUR }],
    ["another exponent", { accountUnit: { currency: 840, exponent: 3 } }],
  ])("does not match with %s", (_name, change) => {
    const other = { ...approval, ...change };
    chipRead(ticketOf(receipt));
    expect(chipApproval(signApproval(other, network.signer))).toBe(0);
    expect(chip.exports.matches(BigInt(NOW))).toBe(-REASON_APPROVAL_INVALID);
    expect(() => checkApproval(other, receipt, hash, NOW)).toThrow(CodecError);
  });

  it.each([
    ["a currency that is no ISO 4217 number", { currency: 1000, exponent: 2 }],
    ["an exponent that no unit has", { currency: 840, exponent: 19 }],
  ])("is not read, by chip or host, with %s", (_name, accountUnit) => {
    const bytes = signApproval({ ...approval, accountUnit }, network.signer);
    expect(() => readApproval(bytes)).toThrow(CodecError);
    expect(chipApproval(bytes)).toBe(-REASON_MALFORMED);
  });

  it("starts no payment after its last day", () => {
    chipRead(ticketOf(receipt));
    chipApproval(signApproval(approval, network.signer));
    expect(chip.exports.matches(BigInt(NOW + DAY + 1))).toBe(-REASON_APPROVAL_INVALID);
    expect(() => checkApproval(approval, receipt, hash, NOW + DAY)).not.toThrow();
    expect(() => checkApproval(approval, receipt, hash, NOW + DAY + 1)).toThrow(CodecError);
  });
});

describe("what the agent signs", () => {
  const SLOT = 2;
  function ownKey(): Uint8Array {
    const key = chip.allocate(32);
    expect(chip.exports.generate(SLOT, key)).toBeGreaterThanOrEqual(0);
    return chip.read(key, 32);
  }

  it("outcome: the host verifies it, and it is the same bytes again", () => {
    const publicKey = ownKey();
    const agent = agency.agent({ fill: 2, role: ROLE_MERCHANT, signer: { publicKey, sign: () => new Uint8Array(64) } });
    const reference = new Uint8Array(32).fill(6);
    const sign = (kind: number, outcome: number) => {
      const out = chip.allocate(160);
      const n = chip.exports.signOutcome(chip.write(hash), chip.write(reference), kind, outcome, SLOT, out, 160);
      return chip.read(out, n);
    };
    const bytes = sign(REFERENCE_PAYMENT, OUTCOME_COMMITTED);
    expect(sign(REFERENCE_PAYMENT, OUTCOME_COMMITTED)).toEqual(bytes);
    const { outcome, agent: signer } = verifyOutcome(bytes, agent.chain, agency.root, NOW);
    expect(outcome).toEqual({
      approvalHash: hash,
      reference,
      referenceKind: REFERENCE_PAYMENT,
      outcome: OUTCOME_COMMITTED,
    });
    expect(signer.id).toEqual(agent.id);
    expect(() => sign(REFERENCE_SESSION, OUTCOME_COMMITTED)).toThrow(FirmwareAssertion);
    const bad = { approvalHash: hash, reference, referenceKind: REFERENCE_SESSION, outcome: OUTCOME_COMMITTED };
    expect(() => verifyOutcome(signOutcome(bad, merchant.signer), merchant.chain, agency.root, NOW)).toThrow(
      CodecError,
    );
    const aborted = verifyOutcome(sign(REFERENCE_SESSION, OUTCOME_ABORTED), agent.chain, agency.root, NOW).outcome;
    expect(aborted).toMatchObject({ referenceKind: REFERENCE_SESSION, outcome: OUTCOME_ABORTED });
  });

  it("annex: receipt hash, pay-id, date", () => {
    const key = ownKey();
    const payId = new Uint8Array(32).fill(6);
    const out = chip.allocate(160);
    const n = chip.exports.signAnnex(chip.write(hash), chip.write(payId), BigInt(NOW), SLOT, out, 160);
    expect(verifyAnnex(chip.read(out, n), key)).toEqual({ receiptHash: hash, payId, date: NOW });
    expect(() => verifyAnnex(chip.read(out, n), signerOf(9).publicKey)).toThrow(CodecError);
  });
});
