/**
 * WO 96/41315 fig. 7, Authorization-Based Purchase/Sale of Electronic Money: the way through it that ends with money. Its
 * other branches are in fig07-branches.test.ts.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { TICKET_DEBIT_CARD, TICKET_RECEIPT, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { readTicket, validateTicket } from "../../host/codec/ticket.js";
import { CARD, NOW } from "../support/agents.js";
import type { Step } from "../support/figures.js";
import { FigureStage } from "../support/figures-stage.js";
import { noticeOf, trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 7");
});

const BETWEEN_AGENTS = ["A agent>peer", "B agent>peer"];
const HANDSHAKE = ["A agent>peer HANDSHAKE_1", "B agent>peer HANDSHAKE_2", "A agent>peer HANDSHAKE_3"];

/** What agents say to each other, up to a message. */
function until(last: string): string[] {
  const said = stage.story.sent(...BETWEEN_AGENTS).map(({ text }) => text);
  return said.slice(0, said.indexOf(last) + 1);
}

/** The ticket that a message carries. */
function ticketOf(step: Step) {
  return readTicket(step.layers[0]?.items[0] as Uint8Array);
}

function inOrder(...texts: string[]): void {
  const places = stage.story.places(...texts);
  expect(places).toEqual([...places].sort((a, b) => a - b));
}

describe("the customer buys", () => {
  let result: Awaited<ReturnType<typeof trade>>;

  beforeAll(async () => {
    stage.reset();
    result = await trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE });
  });

  it("steps 704-710: both hosts instruct their agents, which establish a session", () => {
    inOrder("B host>agent SERVE", "A host>agent BUY", ...HANDSHAKE, "B agent>peer ACKNOWLEDGE");
  });

  it("step 712: A checks the merchant's credential and its owner confirms, before any amount is told", () => {
    inOrder(
      "A agent>peer REQUEST_CREDENTIAL",
      "B agent>peer CREDENTIAL",
      "A agent>host CONFIRM_MERCHANT",
      "A host>agent YES",
      "A agent>peer AMOUNT",
    );
  });

  it("steps 714-718: A's host is asked for amount and unit; A tells B type, amount, unit", () => {
    inOrder("A agent>host AMOUNT", "A host>agent AMOUNT_WANTED", "A agent>peer AMOUNT");
    expect(stage.story.step("A agent>peer AMOUNT").layers[0]?.items).toEqual([TYPE_PURCHASE, 1000, 840, 2]);
  });

  it("steps 720-726: B, which shall pay, asks its module for funds, and there are enough", () => {
    inOrder("A agent>peer AMOUNT", "B agent>module FUNDS", "B module>agent FUNDS_ANSWER", "B agent>peer REQUEST_CARD");
    expect(stage.story.step("B agent>module FUNDS").layers[0]?.items).toEqual([1000, 840, 2]);
    expect(stage.story.step("B module>agent FUNDS_ANSWER").layers[0]?.items).toEqual([true]);
    expect(stage.story.said).not.toContain("B agent>host FUNDS");
  });

  it("steps 750-762: B asks for a card, A's owner picks one of a list, A sends that credential", () => {
    inOrder("B agent>peer REQUEST_CARD", "A agent>host CARDS", "A host>agent CHOOSE", "A agent>peer CARD");
    const ticket = ticketOf(stage.story.step("A agent>peer CARD"));
    expect(ticket.type).toBe(TICKET_DEBIT_CARD);
    expect(ticket.components).toEqual({ kind: "card", card: CARD });
    expect(noticeOf(result.customer, "cards").cards).toHaveLength(1);
  });

  it("steps 764-772: B validates it, its host gives the terms, and B sends a receipt", () => {
    inOrder("A agent>peer CARD", "B agent>host TERMS", "B host>agent TERMS", "B agent>peer RECEIPT");
    const receipt = ticketOf(stage.story.step("B agent>peer RECEIPT"));
    expect(receipt.type).toBe(TICKET_RECEIPT);
    expect(receipt.issuerName).toBe("Corner Shop");
    expect(receipt.components).toMatchObject({
      receipt: { account: CARD.account, type: TYPE_PURCHASE, amount: 1000n, fee: 50n, authorization: 1050n },
    });
    const { agentsRoot } = stage.world;
    expect(validateTicket(receipt, agentsRoot, NOW + 1, stage.A.device.agent.id).device.id).toEqual(
      stage.B.device.agent.id,
    );
  });

  it("steps 774-790: A validates the receipt, shows it for confirmation, and acknowledges it after that", () => {
    inOrder(
      "B agent>peer RECEIPT",
      "A agent>host CONFIRM_RECEIPT",
      "A agent>peer RECEIPT_ACKNOWLEDGE",
      "B agent>host AUTHORIZE",
    );
    expect(stage.story.sent("A host>agent YES")).toHaveLength(2);
    const shown = noticeOf(result.customer, "confirm-receipt").receipt;
    expect(shown).toMatchObject({ account: "************1234", fee: 50n, authorization: { amount: 1050n } });
  });

  it("steps 810-815: B's host is asked to have the debit authorized, and gives the network's approval", () => {
    inOrder("A agent>peer RECEIPT_ACKNOWLEDGE", "B agent>host AUTHORIZE", "B host>agent AUTHORIZED");
    const receipt = ticketOf(stage.story.step("B agent>peer RECEIPT"));
    const asked = noticeOf(result.merchant, "authorize");
    expect(asked).toMatchObject({ type: TYPE_PURCHASE, bankId: CARD.bank, account: CARD.account });
    expect(asked.authorization.amount).toBe(1050n);
    expect(toHex(asked.receiptHash)).toBe(toHex(receipt.hash));
  });

  it("step 817: B pays A (fig. 12), and both commit", async () => {
    inOrder("B host>agent AUTHORIZED", "B agent>peer PAYMENT", "A agent>peer PAYMENT_READY(HANDSHAKE_1)");
    inOrder("B module>agent SUCCESS(KEY)", "B agent>host DONE", "A module>agent SUCCESS(CONFIRM)", "A agent>host DONE");
    expect(await stage.balances()).toEqual([6000n, 9000n]);
    expect(noticeOf(result.customer, "done").payId).toEqual(noticeOf(result.merchant, "done").payId);
  });

  it("between the agents nothing else was said than this", () => {
    expect(until("A agent>peer PAYMENT_READY(HANDSHAKE_1)")).toEqual([
      ...HANDSHAKE,
      "B agent>peer ACKNOWLEDGE",
      "A agent>peer REQUEST_CREDENTIAL",
      "B agent>peer CREDENTIAL",
      "A agent>peer AMOUNT",
      "B agent>peer REQUEST_CARD",
      "A agent>peer CARD",
      "B agent>peer RECEIPT",
      "A agent>peer RECEIPT_ACKNOWLEDGE",
      "B agent>peer PAYMENT",
      "A agent>peer PAYMENT_READY(HANDSHAKE_1)",
    ]);
  });
});

describe("the customer sells", () => {
  let result: Awaited<ReturnType<typeof trade>>;

  beforeAll(async () => {
    stage.reset();
    result = await trade(stage.world, stage.A, stage.B, { type: TYPE_SALE });
  });

  it("steps 706, 716-722: B is to receive, so its module is not asked for funds", () => {
    expect(stage.story.step("A agent>peer AMOUNT").layers[0]?.items).toEqual([TYPE_SALE, 1000, 840, 2]);
    expect(stage.story.sent("B agent>module FUNDS")).toEqual([]);
    inOrder("A agent>peer AMOUNT", "B agent>peer REQUEST_CARD");
  });

  it("steps 768-772: the receipt says what the account is credited: the amount less the fee", () => {
    const receipt = ticketOf(stage.story.step("B agent>peer RECEIPT"));
    expect(receipt.components).toMatchObject({ receipt: { type: TYPE_SALE, amount: 1000n, authorization: 950n } });
  });

  it("steps 792-806: the credit is authorized, and B tells A so, with the network's own word", () => {
    inOrder("B agent>host AUTHORIZE", "B host>agent AUTHORIZED", "B agent>peer AUTHORIZED", "A agent>peer PAYMENT");
    expect(noticeOf(result.merchant, "authorize")).toMatchObject({ type: TYPE_SALE, authorization: { amount: 950n } });
    const told = stage.story.step("B agent>peer AUTHORIZED").layers[0]?.items[0];
    const given = stage.story.step("B host>agent AUTHORIZED").layers[0]?.items[0];
    expect(told).toEqual(given);
  });

  it("step 808: A pays B (fig. 12), and both commit", async () => {
    inOrder("A agent>peer PAYMENT", "B agent>peer PAYMENT_READY");
    inOrder("A module>agent SUCCESS(KEY)", "A agent>host DONE", "B module>agent SUCCESS(CONFIRM)", "B agent>host DONE");
    expect(await stage.balances()).toEqual([4000n, 11000n]);
  });
});
