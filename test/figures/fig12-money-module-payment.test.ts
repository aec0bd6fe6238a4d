/**
 * WO 96/41315 fig. 12, Money Module Payment. In the figure A pays B, as in a sale; in a purchase B pays A, and A's module
 * is still the one that opens the modules' session.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  LINK_AMOUNT,
  LINK_PROMPT_AMOUNT,
  LINK_PROMPT_NONE,
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_PAYMENT,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import { REASON_INSUFFICIENT_FUNDS, REASON_WRONG_AMOUNT } from "../../firmware/protocol/reasons.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { fromHex } from "../../host/codec/bytes.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import { verifyAnnex } from "../../host/codec/receipt.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import { RecordReader } from "../support/conservation-records.js";
import { dollars, FigureStage, ModuleStage } from "../support/figures-stage.js";
import { names, noticeOf, outcomes, trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 12");
});
beforeEach(() => stage.reset());

function inOrder(...texts: string[]): void {
  const places = stage.story.places(...texts);
  expect(places).toEqual([...places].sort((a, b) => a - b));
}

/** Items of the outermost message of the only step of this text. */
function items(text: string): readonly CborValue[] {
  return stage.story.step(text).layers[0]?.items ?? [];
}

/** Items of the innermost. */
function inner(text: string): readonly CborValue[] {
  return stage.story.step(text).layers.at(-1)?.items ?? [];
}

const sell = (money = "USD 10.00") => trade(stage.world, stage.A, stage.B, { type: TYPE_SALE, money });
const buy = (money = "USD 10.00") => trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, money });

describe("A pays B", () => {
  let result: Awaited<ReturnType<typeof trade>>;
  let r1: CborValue | undefined;
  let r2: CborValue | undefined;

  beforeEach(async () => {
    result = await sell();
    r1 = items("A agent>peer PAYMENT")[0];
    r2 = items("B agent>peer PAYMENT_READY")[0];
  });

  it("steps 520-532: A makes R(1) and says PAYMENT, B makes R(2) and answers", () => {
    inOrder("A agent>peer PAYMENT", "B agent>peer PAYMENT_READY");
    expect([r1, r2].map((r) => (r as Uint8Array).length)).toEqual([32, 32]);
    expect(r1).not.toEqual(r2);
  });

  it("steps 538-544: Make Payment with R(1) to A's module, Receive Payment with R(2) to B's, and the same session hash", () => {
    const [makeR, hashA, startsA, paysA] = items("A agent>module PAYMENT");
    const [receiveR, hashB, startsB, paysB] = items("B agent>module PAYMENT(HANDSHAKE_1)");
    expect([makeR, receiveR]).toEqual([r1, r2]);
    expect(hashA).toEqual(hashB);
    expect([startsA, paysA, startsB, paysB]).toEqual([true, true, false, false]);
  });

  it("step 546: the modules establish their session inside the agents' (fig. 14)", () => {
    inOrder(
      "A agent>peer INNER(HANDSHAKE_1)",
      "B agent>peer INNER(HANDSHAKE_2)",
      "A agent>peer INNER(HANDSHAKE_3)",
      "B agent>peer INNER(ACKNOWLEDGE)",
    );
  });

  it("steps 548-556: R(1) goes from module to module, then R(2); both devices change to key TA/MM", () => {
    expect(inner("A agent>peer INNER(HANDSHAKE_3)")[4]).toEqual(r1);
    expect(inner("B agent>peer INNER(ACKNOWLEDGE)")[1]).toEqual(r2);
    for (const device of ["A", "B"]) {
      const link = stage.story
        .sent(`${device} agent>module`, `${device} module>agent`)
        .filter(({ layers }) => layers[0]?.key);
      const ready = link.findIndex(({ layers }) => layers[0]?.name === "READY");
      const before = new Set(link.slice(0, ready + 1).map(({ layers }) => layers[0]?.key));
      const after = link.slice(ready + 1).map(({ layers }) => layers[0]?.key);
      expect(after.length).toBeGreaterThan(3);
      expect(after.some((key) => before.has(key))).toBe(false);
    }
  });

  it("steps 558-566: A's module prompts its agent, which gives the amount and its unit", () => {
    inOrder("A module>agent READY", "A agent>module AMOUNT");
    expect(items("A module>agent READY")[1]).toBe(LINK_PROMPT_AMOUNT);
    expect(items("B module>agent READY(ACKNOWLEDGE)")[1]).toBe(LINK_PROMPT_NONE);
    expect(items("A agent>module AMOUNT")).toEqual([1000, 840, 2]);
  });

  it("steps 568-570, 600-602: there are funds, and A's module tells B's the amount", () => {
    inOrder("A agent>module AMOUNT", "A agent>peer INNER(PROPOSE)");
    expect(inner("A agent>peer INNER(PROPOSE)")).toEqual([1000, 840, 2, null]);
  });

  it("steps 604-616: B's module asks its agent to verify the amount; it is correct", () => {
    inOrder("B agent>module INNER(PROPOSE)", "B module>agent VERIFY", "B agent>module CORRECT");
    expect(items("B module>agent VERIFY")).toEqual([1000, 840, 2]);
  });

  it("steps 624-632: acknowledgement, notes, commit", () => {
    inOrder(
      "B agent>module CORRECT",
      "B agent>peer INNER(AMOUNT_CORRECT)",
      "A agent>peer INNER(NOTE)",
      "B agent>peer INNER(READY)",
      "A module>agent SUCCESS(KEY)",
      "B module>agent SUCCESS(CONFIRM)",
    );
  });

  it("steps 584-594, 636-638: both modules report success, both agents commit; the money is B's", async () => {
    inOrder("A module>agent SUCCESS(KEY)", "A agent>host DONE");
    inOrder("B module>agent SUCCESS(CONFIRM)", "B agent>host DONE");
    const { payId } = noticeOf(result.customer, "done");
    for (const text of ["A module>agent SUCCESS(KEY)", "B module>agent SUCCESS(CONFIRM)"]) {
      expect(items(text)[0]).toEqual(payId);
    }
    expect(await stage.balances()).toEqual([4000n, 11000n]);
  });

  it("step 634: A's agent adds signed payment information to the receipt, which is the receipt's and this payment's", async () => {
    const reader = await RecordReader.create();
    const values = [...reader.read({ ...stage.A.agent, device: stage.A.device }).values()].map(fromHex);
    const key = readCertificate(decodeChain(await stage.A.device.agent.chain()).device).signatureKey;
    const annexes = values.flatMap((value) => {
      try {
        return [verifyAnnex(value, key)];
      } catch {
        return [];
      }
    });
    const { receiptHash } = noticeOf(result.merchant, "authorize");
    const { payId } = noticeOf(result.customer, "done");
    expect(annexes).toMatchObject([{ receiptHash, payId }]);
    const tickets = await stage.A.device.agent.tickets();
    expect(tickets.filter(({ type }) => type === TICKET_RECEIPT)).toHaveLength(1);
  });
});

describe("B pays A, in a purchase", () => {
  it("steps 548-562: R(2) is A's, and B's module is the one that is given the amount", async () => {
    await buy();
    const r1 = items("B agent>peer PAYMENT")[0];
    const r2 = items("A agent>peer PAYMENT_READY(HANDSHAKE_1)")[0];
    expect(inner("A agent>peer INNER(HANDSHAKE_3)")[4]).toEqual(r2);
    expect(inner("B agent>peer INNER(ACKNOWLEDGE)")[1]).toEqual(r1);
    expect(items("B module>agent READY")[1]).toBe(LINK_PROMPT_AMOUNT);
    expect(items("B agent>module AMOUNT")).toEqual([1000, 840, 2]);
  });

  it("steps 600-616: the proposal comes with B's acknowledgement, and A's agent verifies it", async () => {
    await buy();
    expect(inner("B agent>peer INNER(ACKNOWLEDGE)")[2]).toEqual([1000, 840, 2, null]);
    inOrder(
      "B agent>peer INNER(ACKNOWLEDGE)",
      "A module>agent READY",
      "A agent>module CORRECT",
      "B agent>peer INNER(NOTE)",
    );
    expect(items("A module>agent READY").slice(1, 5)).toEqual([2, 1000, 840, 2]);
  });
});

describe("steps 572-598, insufficient funds", () => {
  it("modules abort, report it, and both agents abort; nothing has moved and the credit is to be reversed", async () => {
    const { customer, merchant } = await sell("USD 50.01");
    inOrder(
      "A agent>module AMOUNT",
      "A module>agent ABORTED(ABORT)",
      "A agent>peer INNER(ABORT)",
      "B module>agent ABORTED",
    );
    expect(items("A module>agent ABORTED(ABORT)")[1]).toBe(REASON_INSUFFICIENT_FUNDS);
    expect(stage.story.said.filter((text) => text.includes("NOTE"))).toEqual([]);
    for (const side of [customer, merchant]) {
      expect(noticeOf(side, "aborted").reason).toBe(REASON_INSUFFICIENT_FUNDS);
      expect(outcomes(stage.world, side.notices)).toMatchObject([
        { outcome: OUTCOME_ABORTED, referenceKind: REFERENCE_PAYMENT },
      ]);
    }
    expect(await stage.balances()).toEqual([5000n, 10000n]);
    for (const { device } of [stage.A, stage.B]) expect(await device.module.pending()).toEqual([]);
    const tickets = await stage.A.device.agent.tickets();
    expect(tickets.some(({ type }) => type === TICKET_RECEIPT)).toBe(false);
  });
});

describe("steps 618-622, incorrect amount", () => {
  it("an agent sends no new amount in a purchase or sale: modules and agents abort", async () => {
    stage.story.cheat(stage.A.agent.simulated.chip, (plain) =>
      plain.length === 4 && plain[0] === LINK_AMOUNT ? [LINK_AMOUNT, 900, plain[2] ?? 0, plain[3] ?? 0] : undefined,
    );
    const { customer, merchant } = await sell();
    inOrder("B module>agent VERIFY", "B agent>module INCORRECT", "B agent>peer INNER(AMOUNT_INCORRECT)");
    expect(items("B module>agent VERIFY")).toEqual([900, 840, 2]);
    expect(stage.story.sent("A agent>module AMOUNT")).toHaveLength(1);
    for (const side of [customer, merchant]) expect(noticeOf(side, "aborted").reason).toBe(REASON_WRONG_AMOUNT);
    expect(names(merchant)).not.toContain("done");
    expect(await stage.balances()).toEqual([5000n, 10000n]);
    expect(outcomes(stage.world, merchant.notices)).toMatchObject([{ outcome: OUTCOME_ABORTED }]);
  });
});

describe("without agents", () => {
  let modules: ModuleStage;
  beforeAll(async () => {
    modules = await ModuleStage.create("figure 12, modules");
  });
  beforeEach(() => modules.reset());

  it("steps 618-622: the payer's owner is asked for a new amount, and that one is paid", async () => {
    const [near, far] = inProcessLink();
    const receiving = receive(modules.B.device, far, ({ money }) => money.amount === 700n || REASON_WRONG_AMOUNT);
    const paying = pay(modules.A.device, near, parseMoney("8.00 USD"), { newAmount: () => parseMoney("7.00 USD") });
    const [sent] = await modules.world.time.run(Promise.all([paying, receiving]));
    expect(sent.money.amount).toBe(700n);
    const proposals = modules.story.sent("A module>peer PROPOSE").map(({ layers }) => layers[0]?.items[0]);
    expect(proposals).toEqual([800, 700]);
    expect([await dollars(modules.A.device), await dollars(modules.B.device)]).toEqual([7800n, 700n]);
    expect((await modules.A.element.log())[0]).toMatchObject({ outcome: OUTCOME_COMMITTED, money: { amount: 700n } });
  });

  it("text at step 626: a payee-initiated payment: the payee states the amount, the payer is asked to verify it", async () => {
    const [near, far] = inProcessLink();
    const receiving = request(modules.B.device, far, parseMoney("3.00 USD"), "till 4");
    let asked = 0n;
    const paying = payRequested(modules.A.device, near, ({ money }) => {
      asked = money.amount;
      return true;
    });
    await modules.world.time.run(Promise.all([paying, receiving]));
    expect(asked).toBe(300n);
    expect(modules.story.said).not.toContain("A module>peer PROPOSE");
    expect(await dollars(modules.B.device)).toBe(300n);
  });

  it("text at step 626: a payer that does not agree pays nothing", async () => {
    const [near, far] = inProcessLink();
    const receiving = request(modules.B.device, far, parseMoney("3.00 USD"));
    const paying = payRequested(modules.A.device, near, () => false);
    const results = await modules.world.time.run(Promise.allSettled([paying, receiving]));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([await dollars(modules.A.device), await dollars(modules.B.device)]).toEqual([8500n, 0n]);
  });
});
