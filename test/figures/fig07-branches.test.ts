/**
 * WO 96/41315 fig. 7, every branch of it: first those that the agents decide, then those in which bank, card network and the
 * merchant's other devices have a part. The way through that ends with money is read step by step in fig07-purchase.test.ts.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  AGENT_CARD,
  AGENT_RECEIPT,
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_PAYMENT,
  REFERENCE_SESSION,
  TICKET_DEBIT_CARD,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_ID,
  REASON_BAD_SIGNATURE,
  REASON_NO_FUNDING,
  REASON_NOT_AUTHORIZED,
  REASON_NOT_CONFIRMED,
  REASON_NOT_FOUND,
  REASON_RECEIPT_INVALID,
  REASON_TICKET_INVALID,
} from "../../firmware/protocol/reasons.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import type { Receipt } from "../../host/codec/receipt.js";
import type { Signer } from "../../host/codec/signer.js";
import { componentFields, issueTicket, readTicket } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import type { Disturbance } from "../../host/communications/in-process.js";
import type { Chip } from "../../simulator/chip.js";
import { CARD, NOW } from "../support/agents.js";
import { Economy } from "../support/figures-economy.js";
import { FigureStage } from "../support/figures-stage.js";
import { type HostAnswers, names, noticeOf, type Side, trade } from "../support/purchase.js";

const SLOT_SIGNATURE = 0;
const TYPES = [
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
] as const;

/** The ticket in a message of this number is changed to another of the same length. */
function changeTicket(
  chip: Chip,
  stage: FigureStage,
  number: number,
  change: (ticket: Uint8Array) => Uint8Array,
): void {
  stage.story.cheat(chip, (items: readonly CborValue[]) => {
    if (items.length !== 2 || items[0] !== number || !(items[1] instanceof Uint8Array)) return undefined;
    return [number, change(items[1])];
  });
}

function chipSigner(chip: Chip, publicKey: Uint8Array): Signer {
  return {
    publicKey,
    sign: (message) => {
      const signature = new Uint8Array(64);
      chip.ed25519Sign(SLOT_SIGNATURE, Uint8Array.from(message), signature);
      return signature;
    },
  };
}

describe("branches that the agents take", () => {
  let stage: FigureStage;
  let stores: string[];
  let othersCard: Uint8Array;

  beforeAll(async () => {
    stage = await FigureStage.create("figure 7, branches");
    const issuing = { ...stage.bank, device: stage.watched("bank", { agent: stage.bank.agent }) };
    const eve = await stage.world.device("Eve", 1);
    const card = { ...CARD, account: "4000999988887777", customer: "E. Customer" };
    await stage.world.grant(issuing, eve, TICKET_DEBIT_CARD, componentFields({ kind: "card", card }));
    othersCard = stage.story.step("bank agent>peer DELIVER").layers[0]?.items[0] as Uint8Array;
  });
  beforeEach(async () => {
    stage.reset();
    stores = await stage.agentStores();
  });

  interface Given {
    readonly type?: number;
    readonly money?: string;
    readonly customer?: HostAnswers;
    readonly merchant?: HostAnswers;
  }
  const meet = (given: Given = {}) => trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, ...given });

  async function expectAborted(deciding: Side, other: Side, reason: number, isBare = true): Promise<void> {
    expect(noticeOf(deciding, "aborted")).toMatchObject({ reason, byPeer: false });
    expect(noticeOf(other, "aborted")).toMatchObject({ reason, byPeer: true });
    if (isBare) expect(await stage.agentStores()).toEqual(stores);
    expect(await stage.balances()).toEqual([5000n, 10000n]);
    for (const side of [deciding, other]) expect(names(side)).not.toContain("outcome");
  }

  it.each(TYPES)("steps 712, 462: a %s whose merchant is not confirmed", async (_name, type) => {
    const { customer, merchant } = await meet({
      type,
      customer: { "confirm-merchant": () => command.no(REASON_BAD_ID) },
    });
    await expectAborted(customer, merchant, REASON_NOT_CONFIRMED);
    expect(stage.story.said).not.toContain("A agent>peer AMOUNT");
  });

  it("steps 712, 458: the merchant's credential is not valid: its issuer is not trusted (every case: fig. 10)", async () => {
    const { agents } = stage.world.agencies;
    await stage.A.device.agent.putList(agents.badIdList(1n, NOW, [[stage.registry.device.agent.id, 1]]));
    stores = await stage.agentStores();
    const { customer, merchant } = await meet();
    await expectAborted(customer, merchant, REASON_BAD_ID);
  });

  describe("steps 764-766: the card credential is not valid", () => {
    it("a number that was changed", async () => {
      changeTicket(stage.A.agent.simulated.chip, stage, AGENT_CARD, (ticket) => {
        const altered = Uint8Array.from(ticket);
        const at = Buffer.from(altered).lastIndexOf(CARD.account);
        altered.set(new TextEncoder().encode("4000123412341235"), at);
        return altered;
      });
      const { customer, merchant } = await meet();
      await expectAborted(merchant, customer, REASON_BAD_SIGNATURE);
      expect(names(merchant)).not.toContain("terms");
    });

    it("somebody else's card, genuine, copied from another agent", async () => {
      changeTicket(stage.A.agent.simulated.chip, stage, AGENT_CARD, () => othersCard);
      const { customer, merchant } = await meet();
      await expectAborted(merchant, customer, REASON_TICKET_INVALID);
    });

    it("an issuer that the merchant's list does not trust", async () => {
      const { agents } = stage.world.agencies;
      await stage.B.device.agent.putList(agents.badIdList(1n, NOW, [[stage.bank.device.agent.id, 1]]));
      stores = await stage.agentStores();
      const { customer, merchant } = await meet();
      await expectAborted(merchant, customer, REASON_BAD_ID);
    });

    it("step 754: an agent with no valid card offers none, and says so", async () => {
      const bare = await stage.world.device("Bare", 1);
      const { agent, module } = bare;
      const result = await trade(stage.world, { agent, module, device: stage.watched("A", bare) }, stage.B, {
        type: TYPE_PURCHASE,
      });
      expect(names(result.customer)).not.toContain("cards");
      expect(noticeOf(result.customer, "aborted").reason).toBe(REASON_NOT_FOUND);
      expect(noticeOf(result.merchant, "aborted").byPeer).toBe(true);
    });
  });

  describe("steps 776-778: the receipt is not valid, though B's agent signed it", () => {
    const cases: readonly (readonly [string, Partial<Receipt>])[] = [
      ["another amount", { amount: 900n, authorization: 950n }],
      ["another currency", { unit: { currency: 978, exponent: 2 }, rate: { numerator: 2, denominator: 2 } }],
      ["the other type", { type: TYPE_SALE, authorization: 950n }],
      ["another account", { account: "4000123412341235" }],
      ["another bank", { bank: "Worst Bank" }],
      ["a sum that does not add up", { authorization: 1051n }],
      ["a rate between one and the same unit", { rate: { numerator: 2, denominator: 1 }, authorization: 2050n }],
      ["a date of another day", { date: NOW - 200_000 }],
    ];

    it.each(cases)("%s", async (_name, change) => {
      const { publicKey } = await chipKey();
      const chip = stage.B.agent.simulated.chip;
      const chain = await stage.B.device.agent.chain();
      changeTicket(chip, stage, AGENT_RECEIPT, (bytes) => {
        const { components, transfers, ...ticket } = readTicket(bytes);
        if (components.kind !== "receipt") throw new Error("no receipt");
        const receipt = { ...components.receipt, ...change };
        const draft = { ...ticket, components: { kind: "receipt" as const, receipt }, date: transfers[0]?.date ?? 0 };
        return issueTicket(draft, { id: stage.B.device.agent.id, chain, signer: chipSigner(chip, publicKey) });
      });
      const { customer, merchant } = await meet();
      await expectAborted(customer, merchant, REASON_RECEIPT_INVALID);
      expect(names(customer)).not.toContain("confirm-receipt");
    });

    it("and unchanged, made by the same hands, it is taken", async () => {
      const { publicKey } = await chipKey();
      const chip = stage.B.agent.simulated.chip;
      const chain = await stage.B.device.agent.chain();
      let made = 0;
      changeTicket(chip, stage, AGENT_RECEIPT, (bytes) => {
        made += 1;
        const { transfers, ...ticket } = readTicket(bytes);
        const draft = { ...ticket, date: transfers[0]?.date ?? 0 };
        return issueTicket(draft, { id: stage.B.device.agent.id, chain, signer: chipSigner(chip, publicKey) });
      });
      expect(names((await meet()).customer).at(-1)).toBe("done");
      expect(made).toBe(1);
    });

    async function chipKey() {
      return { publicKey: readCertificate(decodeChain(await stage.B.device.agent.chain()).device).signatureKey };
    }
  });

  it.each(TYPES)("step 784: a %s whose receipt is not confirmed", async (_name, type) => {
    const { customer, merchant } = await meet({
      type,
      customer: { "confirm-receipt": () => command.no(REASON_BAD_ID) },
    });
    await expectAborted(customer, merchant, REASON_NOT_CONFIRMED);
    expect(names(merchant)).not.toContain("authorize");
  });

  it.each([
    ["purchase", "813-815", TYPE_PURCHASE],
    ["sale", "800-802", TYPE_SALE],
  ] as const)("a %s that the network declines (steps %s)", async (_name, _steps, type) => {
    const { customer, merchant } = await meet({
      type,
      merchant: { authorize: ({ receiptHash }) => command.declined("51", receiptHash) },
    });
    // The log says that it was tried: everything else is as before.
    await expectAborted(merchant, customer, REASON_NOT_AUTHORIZED, false);
    expect(stage.story.said).not.toContain("A agent>peer PAYMENT");
    expect(stage.story.said).not.toContain("B agent>peer PAYMENT");
    expect(await stage.A.device.agent.tickets()).toHaveLength(1);
  });

  it("steps 724-728, 738: a host that says it has money when it has none is asked again, not believed", async () => {
    let said = 0;
    const { customer, merchant } = await meet({
      money: "USD 150.00",
      merchant: { funds: () => (++said < 3 ? command.funded() : command.no(REASON_BAD_ID)) },
    });
    expect(stage.story.sent("B module>agent FUNDS_ANSWER").map(({ layers }) => layers[0]?.items)).toEqual([
      [false],
      [false],
      [false],
    ]);
    await expectAborted(merchant, customer, REASON_NO_FUNDING);
  });
});

describe("branches with bank, network and other devices", () => {
  let economy: Economy;

  beforeAll(async () => {
    economy = await Economy.create("figure 7, economy");
  });
  afterAll(() => economy.close());
  beforeEach(() => economy.forget());

  it("steps 720-722, 810-817, bought: 0100 reserves, 0220 debits with an agent's signed word", async () => {
    const before = await economy.holdings("alice");
    const { customer } = await economy.deal("alice", "birch", "buy", "USD 40.00");
    expect(customer.status).toBe("fulfilled");
    const after = await economy.holdings("alice");
    expect([after.notes - before.notes, after.available - before.available, after.held]).toEqual([4000n, -4075n, 0n]);
    expect(economy.types).toEqual(["0100", "0220"]);
    const outcome = economy.outcomeOf(economy.carried[1] as (typeof economy.carried)[number]);
    expect(outcome).toMatchObject({ outcome: OUTCOME_COMMITTED, referenceKind: REFERENCE_PAYMENT });
    expect(await economy.faults()).toEqual([]);
  });

  it("steps 796-808, sold: the account is credited with the amount less the fee", async () => {
    const before = await economy.holdings("alice");
    const { customer } = await economy.deal("alice", "birch", "sell", "USD 15.00");
    expect(customer.status).toBe("fulfilled");
    const after = await economy.holdings("alice");
    expect([after.notes - before.notes, after.available - before.available]).toEqual([-1500n, 1425n]);
    expect(economy.types).toEqual(["0100", "0220"]);
    expect(await economy.faults()).toEqual([]);
  });

  it("steps 700-702, exchange: euros against a dollar account, at the rate on the receipt", async () => {
    const before = await economy.holdings("alice", 978);
    const { customer } = await economy.deal("alice", "alder", "buy", "EUR 20.00");
    // 20.00 x 1.09 + 1 percent.
    const receipt = { authorization: { amount: 2202n, unit: { currency: 840 } }, money: { amount: 2000n } };
    expect(customer).toMatchObject({ status: "fulfilled", value: { receipt } });
    const after = await economy.holdings("alice", 978);
    expect([after.notes - before.notes, after.available - before.available]).toEqual([2000n, -2202n]);
    const back = await economy.deal("alice", "alder", "sell", "EUR 5.00");
    // 5.00 x 1.07, rounded down, less one percent of the amount at that rate, rounded up.
    expect(back.customer.status).toBe("fulfilled");
    const sold = await economy.holdings("alice", 978);
    const credited = sold.available - after.available;
    if (back.customer.status !== "fulfilled") throw back.customer.reason;
    expect(credited).toBe(back.customer.value.receipt?.authorization.amount);
    expect(credited).toBe(535n - (back.customer.value.receipt?.fee ?? 0n));
    expect(await economy.faults()).toEqual([]);
  });

  it("steps 813-815, declined by the issuer: nothing is reserved, nothing to reverse", async () => {
    const before = await economy.holdings("carol");
    const { customer } = await economy.deal("carol", "birch", "buy", "USD 50.00");
    expect(customer.status === "rejected" && customer.reason).toMatchObject({ reason: REASON_NOT_AUTHORIZED });
    expect(await economy.holdings("carol")).toEqual(before);
    expect(economy.types).toEqual(["0100"]);
  });

  describe("steps 724-748, funds", () => {
    const refills = () => economy.events.flatMap((event) => (event.kind === "refilled" ? [event] : []));

    it("steps 724-726: the module has them", async () => {
      expect((await economy.deal("bob", "alder", "buy", "USD 10.00")).customer.status).toBe("fulfilled");
      expect(refills()).toEqual([]);
    });

    it("steps 728-738: another device of the merchant pays what is missing, device to device", async () => {
      const [till, second] = economy.world.trader("alder").devices;
      const amount = async (device: typeof till) =>
        (await device?.module.balances())?.find(({ unit }) => unit.currency === 840)?.spendable ?? 0n;
      const before = [await amount(till), await amount(second)] as const;
      expect((await economy.deal("bob", "alder", "buy", "USD 100.00")).customer.status).toBe("fulfilled");
      const missing = 10_000n - before[0];
      expect(refills()).toMatchObject([{ from: "device", money: { amount: missing } }]);
      expect([await amount(till), await amount(second)]).toEqual([0n, before[1] - missing]);
      expect(await economy.faults()).toEqual([]);
    });

    it("steps 740-748: no device has enough: the bank's teller pays it from the merchant's account", async () => {
      const before = await economy.world.books.depositBalance("alder-840");
      expect((await economy.deal("bob", "alder", "buy", "USD 120.00")).customer.status).toBe("fulfilled");
      expect(refills()).toMatchObject([{ from: "bank", money: { amount: 12_000n } }]);
      expect(await economy.world.books.depositBalance("alder-840")).toBe(before - 12_000n);
      expect(await economy.faults()).toEqual([]);
    });

    it("steps 744-746: neither: the customer is told, and the network never asked", async () => {
      const before = await economy.holdings("alice");
      const { customer } = await economy.deal("alice", "birch", "buy", "USD 9000.00");
      expect(customer.status === "rejected" && customer.reason).toMatchObject({ reason: REASON_NO_FUNDING });
      expect(economy.types).toEqual([]);
      expect(await economy.holdings("alice")).toEqual(before);
    });
  });

  describe("text at fig. 6: authorized, then the payment aborts: the authorization is reversed", () => {
    /** Cuts the line at the message of this number after the network has approved. */
    function cutAfterApproval(number: number): { disturbance: Disturbance; wasCut: () => boolean } {
      let count = 0;
      let cut = false;
      const disturbance: Disturbance = () => {
        if (!economy.events.some(({ kind }) => kind === "authorization") || count++ < number)
          return { kind: "deliver" };
        cut = true;
        return { kind: "cut" };
      };
      return { disturbance, wasCut: () => cut };
    }

    it.each([
      ["buy", 0, REFERENCE_SESSION],
      ["buy", 4, REFERENCE_PAYMENT],
      ["sell", 0, REFERENCE_SESSION],
      ["sell", 6, REFERENCE_PAYMENT],
    ] as const)("%s, cut at message %i after the approval", async (direction, number, referenceKind) => {
      const before = await economy.holdings("alice");
      const shop = await economy.settlement("birch");
      const { disturbance, wasCut } = cutAfterApproval(number);
      const { customer } = await economy.deal("alice", "birch", direction, "USD 2.00", disturbance);
      expect(wasCut()).toBe(true);
      expect(customer.status === "fulfilled" ? customer.value.provisional : "aborted").toBe("aborted");
      await economy.settle("alice", "birch");
      expect(economy.types.filter((type) => type !== "0100")).toEqual(["0420"]);
      const advice = economy.carried.find(({ type }) => type === "0420") as (typeof economy.carried)[number];
      expect(economy.outcomeOf(advice)).toMatchObject({ outcome: OUTCOME_ABORTED, referenceKind });
      expect(await economy.holdings("alice")).toEqual({ ...before, held: 0n });
      expect(await economy.settlement("birch")).toEqual(shop);
      expect(await economy.world.trader("birch").outbox.unfinished()).toEqual([]);
      expect(await economy.faults()).toEqual([]);
    });

    it("while the notes are in doubt it is neither completed nor reversed; what happened decides later", async () => {
      const before = await economy.holdings("alice");
      // Message by message until one leaves the payee in doubt: after its Ready, before the key.
      let doubtful = 0;
      for (let number = 4; number < 16; number += 1) {
        economy.forget();
        const { disturbance } = cutAfterApproval(number);
        const { customer } = await economy.deal("alice", "birch", "buy", "USD 1.00", disturbance);
        const inDoubt = (await economy.world.customer("alice").device.module.pending()).some(
          ({ state }) => state === "in doubt",
        );
        if (inDoubt) {
          doubtful += 1;
          expect(customer).toMatchObject({ status: "fulfilled", value: { provisional: true } });
          const isPayerSure = economy.types.includes("0220") || economy.types.includes("0420");
          if (!isPayerSure) expect((await economy.holdings("alice")).held).toBe(175n);
        }
        await economy.settle("alice", "birch");
        const settled = economy.types.filter((type) => type !== "0100");
        expect(settled, `message ${number}`).toHaveLength(1);
      }
      expect(doubtful).toBeGreaterThan(0);
      const after = await economy.holdings("alice");
      const bought = (after.notes - before.notes) / 100n;
      expect(after.available - before.available).toBe(-175n * bought);
      expect(after.held).toBe(0n);
      expect(await economy.faults()).toEqual([]);
    });
  });
});
