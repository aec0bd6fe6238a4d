/** A merchant's agent with genuine certificates that lies: the customer's agent believes nothing that it can check. */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_SIGNATURE,
  REASON_MALFORMED,
  REASON_RECEIPT_INVALID,
  REASON_TICKET_EXPIRED,
  REASON_TICKET_INVALID,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { signApproval } from "../../host/codec/receipt.js";
import { readTicket } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import { type AgentDevice, AgentWorld, NOW } from "../support/agents.js";
import { CheatingMerchant, type Lies } from "../support/cheating-merchant.js";
import { customerAnswers, names, type Side, shop } from "../support/purchase.js";

const DAY = 86_400;
let world: AgentWorld;
let customer: AgentDevice;
let before: string;

beforeAll(async () => {
  world = new AgentWorld("cheating merchant");
  customer = await world.customer("Alice", await world.authority("First Bank"));
});

beforeEach(async () => {
  before = toHex(await customer.device.agent.digest());
});

async function meet(lies: Lies, order = command.sell()): Promise<{ cheat: CheatingMerchant; side: Side }> {
  const [near, far] = inProcessLink();
  const cheat = new CheatingMerchant(world, far, lies);
  const answers = customerAnswers(parseMoney("USD 10.00"));
  const side = await world.time.run(shop(customer, near, order, answers));
  return { cheat, side };
}

/** The customer's agent said why, its owner was told, and nothing is left of it. */
async function refused(lies: Lies, reason: number, order?: Uint8Array): Promise<Side> {
  const { cheat, side } = await meet(lies, order);
  expect(cheat.abortReason).toBe(reason);
  expect(side.notices.at(-1)).toMatchObject({ name: "aborted", reason, byPeer: false });
  expect(toHex(await customer.device.agent.digest())).toBe(before);
  return side;
}

describe("its credential", () => {
  it.each<[string, Lies["credential"], number]>([
    [
      "belongs to another merchant",
      (_honest, c) => c.credential({ receiver: new Uint8Array(16).fill(5) }),
      REASON_TICKET_INVALID,
    ],
    ["is of its own making", (_honest, c) => c.credential({}, c.self), REASON_WRONG_ROLE],
    ["has expired", (_honest, c) => c.credential({ receiverExpiry: NOW }), REASON_TICKET_EXPIRED],
    ["names another registry", (_honest, c) => c.credential({ issuerName: "Registrar" }), REASON_TICKET_INVALID],
    [
      "was altered",
      (honest) => honest.map((byte, i) => (i === honest.length - 1 ? byte ^ 1 : byte)),
      REASON_BAD_SIGNATURE,
    ],
    ["is no ticket", () => Uint8Array.of(0x80), REASON_MALFORMED],
  ])("%s", async (_what, credential, reason) => {
    const side = await refused(credential === undefined ? {} : { credential }, reason);
    expect(names(side)).not.toContain("confirm-merchant");
  });
});

describe("its receipt", () => {
  it.each<[string, Lies, number]>([
    ["does not add up", { receipt: { authorization: 900n } }, REASON_RECEIPT_INVALID],
    ["is about more", { receipt: { amount: 1100n, authorization: 1050n } }, REASON_RECEIPT_INVALID],
    ["is about less", { receipt: { amount: 900n, authorization: 850n } }, REASON_RECEIPT_INVALID],
    [
      "is about the other direction",
      { receipt: { type: m.TYPE_PURCHASE, authorization: 1050n } },
      REASON_RECEIPT_INVALID,
    ],
    ["is about another account", { receipt: { account: "4000999999999999" } }, REASON_RECEIPT_INVALID],
    ["is about another bank", { receipt: { bank: "Other Bank" } }, REASON_RECEIPT_INVALID],
    ["is about another session", { receipt: { session: new Uint8Array(32) } }, REASON_RECEIPT_INVALID],
    ["is of another day", { receipt: { date: NOW - 2 * DAY } }, REASON_RECEIPT_INVALID],
    ["is in another unit", { receipt: { unit: { currency: 978, exponent: 2 } } }, REASON_RECEIPT_INVALID],
    ["is for another customer", { draft: { receiver: new Uint8Array(16).fill(5) } }, REASON_TICKET_INVALID],
    ["is in another name", { draft: { issuerName: "Other Shop" } }, REASON_RECEIPT_INVALID],
    ["has another expiry of its credential", { draft: { issuerExpiry: NOW + 5 } }, REASON_RECEIPT_INVALID],
  ])("%s", async (_what, lies, reason) => {
    const side = await refused(lies, reason);
    expect(names(side)).not.toContain("confirm-receipt");
  });

  it("is another merchant's", async () => {
    const [, far] = inProcessLink();
    const other = new CheatingMerchant(world, far, {}).agent(world, 0x33, 2);
    await refused({ issuer: other }, REASON_RECEIPT_INVALID);
  });

  it("is a card", async () => {
    const answers = new Map([[m.AGENT_CARD, (c: CheatingMerchant) => [m.AGENT_RECEIPT, c.credential()]]]);
    await refused({ answers }, REASON_RECEIPT_INVALID);
  });
});

describe("after the receipt", () => {
  /** The approval as the merchant would like to have it. */
  function approvalBy(signer: { sign(message: Uint8Array): Uint8Array; publicKey: Uint8Array }, ticket: Uint8Array) {
    const { hash, components } = readTicket(ticket);
    if (components.kind !== "receipt") throw new Error("not a receipt");
    const { bank, account, type, authorization, accountUnit } = components.receipt;
    const rest = { stan: 1, date: NOW, lastDay: NOW + DAY };
    return signApproval({ receiptHash: hash, bank, account, type, authorization, accountUnit, ...rest }, signer);
  }

  it.each<[string, (cheat: CheatingMerchant) => [Uint8Array, Uint8Array], number]>([
    ["signs the approval itself", (c) => [approvalBy(c.self.signer, c.receipt()), c.self.chain], REASON_WRONG_ROLE],
    [
      "shows the network's chain with it",
      (c) => [approvalBy(c.self.signer, c.receipt()), world.network.chain],
      REASON_BAD_SIGNATURE,
    ],
  ])("it %s: nothing is paid, and nothing is signed", async (_what, make, reason) => {
    const authorized = (c: CheatingMerchant) => [m.AGENT_AUTHORIZED, ...make(c)];
    const { cheat, side } = await meet({ answers: new Map([[m.AGENT_RECEIPT_ACKNOWLEDGE, authorized]]) });
    expect(cheat.abortReason).toBe(reason);
    expect(names(side)).not.toContain("outcome");
    expect((await customer.device.agent.tickets()).length).toBe(1);
  });

  it("its messages out of turn are refused and change nothing", async () => {
    const early = new Map([
      [
        m.AGENT_CARD,
        (c: CheatingMerchant) => {
          c.send([m.AGENT_PAYMENT, new Uint8Array(32), null, null]);
          c.send([m.AGENT_INNER, new Uint8Array(40)]);
          c.send([m.AGENT_DELIVER, c.credential()]);
          return [m.AGENT_RECEIPT, c.receipt()];
        },
      ],
      [m.AGENT_RECEIPT_ACKNOWLEDGE, () => [m.AGENT_ABORT, 169]],
    ]);
    const { cheat, side } = await meet({ answers: early });
    expect(cheat.heard).toContain(m.AGENT_RECEIPT_ACKNOWLEDGE);
    expect(side.notices.at(-1)).toMatchObject({ name: "aborted", reason: 169, byPeer: true });
  });
});
