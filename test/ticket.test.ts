/** Tickets, WO 96/41315 fig. 2 and "Credentials or any other type of ticket 8 are validated as follows": chip and host. */

import { beforeEach, describe, expect, it } from "vitest";
import { ROLE_AUTHORITY, ROLE_CUSTOMER, ROLE_MERCHANT, SIGNED_TICKET_TRANSFER } from "../firmware/protocol/kinds.js";
import { TICKET_BYTES_MAX } from "../firmware/protocol/limits.js";
import {
  TICKET_AUTHORITY_CREDENTIAL,
  TICKET_DEBIT_CARD,
  TICKET_MERCHANT_CREDENTIAL,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
} from "../firmware/protocol/messages.js";
import {
  REASON_BAD_SIGNATURE,
  REASON_CERTIFICATE_EXPIRED,
  REASON_FOREIGN_CERTIFICATE,
  REASON_MALFORMED,
  REASON_TICKET_EXPIRED,
  REASON_TICKET_INVALID,
  REASON_TOO_LONG,
  REASON_VERSION,
  REASON_WRONG_ROLE,
} from "../firmware/protocol/reasons.js";
import { decode, encode } from "../host/codec/cbor.js";
import { sign1 } from "../host/codec/cose.js";
import { CodecError } from "../host/codec/errors.js";
import {
  type Components,
  componentFields,
  issueTicket,
  maskAccount,
  readTicket,
  type TicketDraft,
  transferTicket,
  validateTicket,
} from "../host/codec/ticket.js";
import { sha256 } from "../host/crypto.js";
import { Agency, idOf, NOW, signerOf } from "./support/agencies.js";
import { loadModule } from "./support/firmware.js";

const DAY = 86_400;
const agency = new Agency();
const authority = agency.agent({ fill: 1, role: ROLE_AUTHORITY, name: "Registry" });
const merchant = agency.agent({ fill: 2, role: ROLE_MERCHANT });
const customer = agency.agent({ fill: 3, role: ROLE_CUSTOMER });

const shop: Components = { kind: "credential", credential: { name: "Corner Shop", expiry: NOW + 100 * DAY } };
const debitCard: Components = {
  kind: "card",
  card: {
    bank: "First Bank",
    account: "4000123412341234",
    validFrom: NOW - DAY,
    expiry: NOW + DAY,
    customer: "A. Payer",
  },
};
const receipt: Components = {
  kind: "receipt",
  receipt: {
    bank: "First Bank",
    account: "4000123412341234",
    type: TYPE_PURCHASE,
    authorization: 1050n,
    accountUnit: { currency: 840, exponent: 2 },
    amount: 1000n,
    unit: { currency: 840, exponent: 2 },
    fee: 50n,
    rate: { numerator: 1, denominator: 1 },
    date: NOW,
    session: new Uint8Array(32).fill(0x5e),
  },
};

function draft(parts: Partial<TicketDraft> = {}): TicketDraft {
  return {
    type: TICKET_MERCHANT_CREDENTIAL,
    issuerName: "Registry",
    issuerExpiry: NOW + 200 * DAY,
    receiver: merchant.id,
    receiverExpiry: NOW + 100 * DAY,
    components: shop,
    date: NOW - DAY,
    ...parts,
  };
}

const load = () => loadModule("ticket");
let chip: Awaited<ReturnType<typeof load>>;
beforeEach(async () => {
  chip = await load();
});

/** What the chip makes of a ticket: 0 or a reason. */
function chipVerdict(bytes: Uint8Array, holder: Uint8Array, now = NOW): number {
  const status = chip.call("read", chip.write(bytes), bytes.length);
  if (status < 0) return -status;
  const { id, publicKey } = agency.root;
  return Math.abs(chip.call("validate", chip.write(id), chip.write(publicKey), BigInt(now), chip.write(holder)));
}

/** What the host makes of it. */
function hostVerdict(bytes: Uint8Array, holder: Uint8Array, now = NOW): number {
  try {
    validateTicket(readTicket(bytes), agency.root, now === 0 ? undefined : now, holder);
    return 0;
  } catch (error) {
    if (error instanceof CodecError) return error.reason;
    throw error;
  }
}

function verdict(bytes: Uint8Array, holder = merchant.id, now = NOW): number {
  const answer = chipVerdict(bytes, holder, now);
  expect(hostVerdict(bytes, holder, now), "host and chip agree").toBe(answer);
  return answer;
}

describe("a valid ticket", () => {
  it.each([
    ["merchant credential", issueTicket(draft(), authority), merchant.id],
    [
      "authority credential of its own making",
      issueTicket(draft({ type: TICKET_AUTHORITY_CREDENTIAL, receiver: authority.id }), authority),
      authority.id,
    ],
    [
      "card",
      issueTicket(draft({ type: TICKET_DEBIT_CARD, receiver: customer.id, components: debitCard }), authority),
      customer.id,
    ],
    [
      "receipt",
      issueTicket(
        draft({ type: TICKET_RECEIPT, issuerName: "Corner Shop", receiver: customer.id, components: receipt }),
        merchant,
      ),
      customer.id,
    ],
    [
      "ticket handed on",
      transferTicket(
        readTicket(issueTicket(draft({ receiver: idOf(7) }), authority)),
        merchant.id,
        NOW,
        agency.agent({ fill: 7, role: ROLE_MERCHANT }),
      ),
      merchant.id,
    ],
  ])("%s", (_name, bytes, holder) => {
    expect(verdict(bytes, holder)).toBe(0);
    expect(readTicket(bytes).bytes).toEqual(bytes);
  });

  it("has the hash of its issued part in chip and host", () => {
    const bytes = issueTicket(draft(), authority);
    const into = chip.allocate(32);
    expect(chip.call("read", chip.write(bytes), bytes.length)).toBe(0);
    expect(chip.call("hash", into)).toBeGreaterThanOrEqual(0);
    expect(chip.read(into, 32)).toEqual(readTicket(bytes).hash);
    expect(readTicket(bytes).hash).toEqual(sha256(readTicket(bytes).issued));
  });

  it("is unchanged by validation", () => {
    const bytes = issueTicket(draft(), authority);
    const at = chip.write(bytes);
    chip.call("read", at, bytes.length);
    const { id, publicKey } = agency.root;
    expect(chip.call("validate", chip.write(id), chip.write(publicKey), BigInt(NOW), chip.write(merchant.id))).toBe(0);
    expect(chip.read(at, bytes.length)).toEqual(bytes);
  });
});

describe("validation refuses", () => {
  const good = issueTicket(draft(), authority);

  it("1) an issuer's certificate of another tree, and an issuer's signature by another", () => {
    const stranger = new Agency(0xe0).agent({ fill: 1, role: ROLE_AUTHORITY, name: "Registry" });
    expect(verdict(issueTicket(draft(), stranger))).toBe(REASON_FOREIGN_CERTIFICATE);
    expect(verdict(issueTicket(draft(), { ...authority, signer: signerOf(9) }))).toBe(REASON_BAD_SIGNATURE);
  });

  it("an issuer whose role or name does not fit", () => {
    expect(verdict(issueTicket(draft(), merchant))).toBe(REASON_WRONG_ROLE);
    expect(verdict(issueTicket(draft({ type: TICKET_RECEIPT, components: receipt }), authority))).toBe(
      REASON_WRONG_ROLE,
    );
    expect(verdict(issueTicket(draft({ issuerName: "Other Registry" }), authority))).toBe(REASON_TICKET_INVALID);
  });

  it("2) a sender that is not the issuer, and a receiver that is not the first sender", () => {
    const elsewhere = rewrite(good, (entry) => [idOf(8), entry[1], entry[2], entry[3], entry[4]]);
    expect(verdict(elsewhere, idOf(8))).toBe(REASON_TICKET_INVALID);
    const other = rewrite(good, (entry) => [entry[0], idOf(8), entry[2], entry[3], entry[4]]);
    expect(verdict(other)).toBe(REASON_TICKET_INVALID);
  });

  it("3) a sender's signature by another key, over another ticket, or with another date", () => {
    const other = issueTicket(
      draft({ components: { kind: "credential", credential: { name: "X", expiry: NOW + DAY } } }),
      authority,
    );
    const signatureOfOther = readTicket(other).transfers[0]?.signature ?? new Uint8Array(0);
    expect(verdict(rewrite(good, (entry) => [entry[0], entry[1], entry[2], entry[3], signatureOfOther]))).toBe(
      REASON_BAD_SIGNATURE,
    );
    expect(verdict(rewrite(good, (entry) => [entry[0], entry[1], entry[2], NOW, entry[4]]))).toBe(REASON_BAD_SIGNATURE);
    const { issued, issuerChain } = readTicket(good);
    const before = sha256(encode([1, issued, issuerChain, []]));
    const forged = sign1(
      SIGNED_TICKET_TRANSFER,
      encode([1, before, merchant.id, authority.id, NOW - DAY]),
      signerOf(9),
    );
    expect(verdict(rewrite(good, (entry) => [entry[0], entry[1], entry[2], entry[3], forged]))).toBe(
      REASON_BAD_SIGNATURE,
    );
  });

  it("3) a sender's chain that is another's, or expired", () => {
    const otherChain = customer.chain;
    const swapped = rewrite(good, (entry) => [entry[0], entry[1], otherChain, entry[3], entry[4]]);
    expect([REASON_TICKET_INVALID, REASON_TOO_LONG]).toContain(verdict(swapped));
    const expired = agency.agent({ fill: 1, role: ROLE_AUTHORITY, name: "Registry", expiry: NOW - DAY });
    expect(verdict(issueTicket(draft(), expired))).toBe(REASON_CERTIFICATE_EXPIRED);
  });

  it("4) a last receiver that is not the agent in the session", () => {
    expect(verdict(good, customer.id)).toBe(REASON_TICKET_INVALID);
  });

  it("what has expired, is not valid yet, or comes from the future", () => {
    expect(verdict(issueTicket(draft({ issuerExpiry: NOW }), authority))).toBe(REASON_TICKET_EXPIRED);
    expect(verdict(issueTicket(draft({ receiverExpiry: NOW }), authority))).toBe(REASON_TICKET_EXPIRED);
    expect(verdict(good, merchant.id, NOW + 100 * DAY)).toBe(REASON_TICKET_EXPIRED);
    expect(verdict(good, merchant.id, NOW + 100 * DAY - 1)).toBe(0);
    const card = issueTicket(
      draft({ type: TICKET_DEBIT_CARD, receiver: customer.id, components: debitCard }),
      authority,
    );
    expect(verdict(card, customer.id, NOW + DAY)).toBe(REASON_TICKET_EXPIRED);
    expect(verdict(card, customer.id, NOW - DAY - 1)).toBe(REASON_TICKET_EXPIRED);
    expect(verdict(issueTicket(draft({ date: NOW + 2 * DAY }), authority))).toBe(REASON_TICKET_INVALID);
  });

  it("nothing for age when no particular time is asked for", () => {
    expect(verdict(issueTicket(draft({ receiverExpiry: 5 }), authority), merchant.id, 0)).toBe(0);
  });

  it("shapes that are not a ticket", () => {
    expect(verdict(encode([1, 2, 3]))).toBe(REASON_MALFORMED);
    expect(verdict(encode([2, ...(decode(good) as readonly never[]).slice(1)]))).toBe(REASON_VERSION);
    expect(verdict(good.slice(0, -1))).toBe(REASON_MALFORMED);
    expect(verdict(Uint8Array.of(...good, 0))).toBe(REASON_MALFORMED);
    expect(verdict(new Uint8Array(TICKET_BYTES_MAX + 1))).toBe(REASON_TOO_LONG);
    const { issued, issuerChain } = readTicket(good);
    expect(verdict(encode([1, issued, issuerChain, []]))).toBe(REASON_MALFORMED);
  });

  it("every ticket with one bit changed", () => {
    for (let bit = 0; bit < good.length * 8; bit += 13) {
      const altered = good.slice();
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      chip.release();
      expect(chipVerdict(altered, merchant.id), `bit ${bit}`).not.toBe(0);
    }
  });
});

/** The same ticket with its one transfer entry changed. */
function rewrite(ticket: Uint8Array, change: (entry: readonly never[]) => readonly unknown[]): Uint8Array {
  const [version, issued, chain, transfers] = decode(ticket) as unknown as [number, Uint8Array, Uint8Array, never[][]];
  return encode([version, issued, chain, transfers.map(change)] as never);
}

describe("a ticket that the chip makes", () => {
  it.each([
    ["credential", TICKET_MERCHANT_CREDENTIAL, shop, ROLE_AUTHORITY, "Registry"],
    ["card", TICKET_DEBIT_CARD, debitCard, ROLE_AUTHORITY, "Registry"],
    ["receipt", TICKET_RECEIPT, receipt, ROLE_MERCHANT, "Corner Shop"],
  ])("%s is the host's, byte for byte but for the key", (_name, type, components, role, issuerName) => {
    const SLOT = 3;
    const key = chip.allocate(32);
    expect(chip.call("generate", SLOT, key)).toBeGreaterThanOrEqual(0);
    const own = { publicKey: chip.read(key, 32), sign: () => new Uint8Array(64) };
    const name = role === ROLE_AUTHORITY ? { name: "Registry" } : {};
    const issuer = agency.agent({ fill: 5, role, signer: own, ...name });
    const content = encode(componentFields(components));
    const nameBytes = new TextEncoder().encode(issuerName);
    const chain = chip.write(issuer.chain);
    chip.call(
      "draftIssuer",
      chip.write(nameBytes),
      nameBytes.length,
      BigInt(NOW + DAY),
      chip.write(issuer.id),
      chain,
      issuer.chain.length,
    );
    chip.call(
      "draftContent",
      type,
      chip.write(customer.id),
      BigInt(NOW + DAY),
      chip.write(content),
      content.length,
      BigInt(NOW),
    );
    const out = chip.allocate(TICKET_BYTES_MAX);
    const length = chip.call("create", SLOT, out, TICKET_BYTES_MAX);
    expect(length).toBeGreaterThan(0);
    const bytes = chip.read(out, length);
    expect(verdict(bytes, customer.id)).toBe(0);
    const ticket = readTicket(bytes);
    expect(ticket).toMatchObject({ type, issuerName, issuerExpiry: NOW + DAY, receiver: customer.id, components });
    expect(chip.call("create", SLOT, out, length - 1)).toBe(-REASON_TOO_LONG);
  });

  it("has components of the shape of its type", () => {
    const fits = (type: number, components: Uint8Array) =>
      chip.call("fits", type, chip.write(components), components.length);
    expect(fits(TICKET_MERCHANT_CREDENTIAL, encode(componentFields(shop)))).toBe(0);
    expect(fits(TICKET_DEBIT_CARD, encode(componentFields(debitCard)))).toBe(0);
    expect(fits(TICKET_DEBIT_CARD, encode(componentFields(shop)))).toBe(-REASON_TICKET_INVALID);
    expect(fits(TICKET_MERCHANT_CREDENTIAL, encode(["", NOW]))).toBe(-REASON_TICKET_INVALID);
    expect(fits(TICKET_DEBIT_CARD, encode(["Bank", "4000 1234", 0, 1, "A"]))).toBe(-REASON_TICKET_INVALID);
  });
});

describe("an account number as people see it", () => {
  it.each([
    ["4000123412341234", "************1234"],
    ["12345678", "****5678"],
    ["1234567", "*******"],
    ["1", "*"],
  ])("%s", (account, masked) => {
    const into = chip.allocate(64);
    chip.call("mask", chip.write(new TextEncoder().encode(account)), account.length, into);
    expect(new TextDecoder().decode(chip.read(into, account.length))).toBe(masked);
    expect(maskAccount(account)).toBe(masked);
  });
});
