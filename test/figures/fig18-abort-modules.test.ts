/**
 * WO 96/41315 fig. 18, Abort Transaction for money modules. Where the source has a payee that has said Ready lose its
 * notes, here it keeps them, worth nothing until the two meet again and one of them knows.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { OUTCOME_ABORTED, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { REASON_CANCELLED, REASON_DECLINED } from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { runTransfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { command } from "../../host/commands.js";
import { inProcessLink, type MessageFate } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import type { Records } from "../support/conservation-records.js";
import { dollars, ModuleStage, noticesOf, strikeAt } from "../support/figures-stage.js";
import type { ModuleDevice } from "../support/modules.js";

const MONEY = parseMoney("50.00 USD");
const CUT: MessageFate = { kind: "cut" };

let stage: ModuleStage;
let before: Map<ModuleDevice, Records>;

beforeAll(async () => {
  stage = await ModuleStage.create("figure 18");
});
beforeEach(() => {
  stage.reset();
  before = new Map([stage.A, stage.B, stage.T].map((module) => [module, stage.records(module)]));
});

/** A pays B; the link is cut instead of this message. */
async function payCut(text: string) {
  const [near, far] = inProcessLink(strikeAt(stage.story, text, CUT));
  const receiving = receive(stage.B.device, far);
  return stage.world.time.run(Promise.allSettled([pay(stage.A.device, near, MONEY), receiving]));
}

/** The teller at the counter; `yes` agrees, a number refuses. */
function serve(link: ReturnType<typeof inProcessLink>[0], answer: true | number = true) {
  return stage.T.device.converse(link, "module", async (conversation) => {
    await conversation.prepare(command.listen());
    return runTransfer(stage.T.device, conversation, { verify: () => answer, requested: () => answer });
  });
}

function expectRolledBack(...modules: ModuleDevice[]): void {
  for (const module of modules)
    expect(stage.changes(module, before.get(module) as Records), module.device.name).toEqual([]);
}

async function settle() {
  const [near, far] = inProcessLink();
  const answering = answerResume(stage.B.device, far);
  return stage.world.time.run(Promise.all([resume(stage.A.device, near), answering]));
}

describe("X has not said Ready", () => {
  it.each(["A module>peer PROPOSE", "B module>peer AMOUNT_CORRECT", "A module>peer NOTE"])(
    "steps 1726-1730, 1744: cut at %s: both roll back, and tell their subscribers that it is aborted",
    async (text) => {
      await payCut(text);
      expectRolledBack(stage.A, stage.B);
      for (const name of ["A", "B"]) expect(noticesOf(stage.story, name).at(-1)?.name).toBe("ABORTED");
      expect([await dollars(stage.A.device), await dollars(stage.B.device)]).toEqual([8500n, 0n]);
    },
  );

  it("step 1726: an offer that was made is in the log as aborted, and the notes can be offered again", async () => {
    await payCut("A module>peer NOTE");
    expect((await stage.A.element.log())[0]).toMatchObject({ outcome: OUTCOME_ABORTED, money: { amount: 5000n } });
    expect((await stage.A.element.balances())[0]).toMatchObject({ spendable: 8500n, offered: 0n });
    const [near, far] = inProcessLink();
    const receiving = receive(stage.B.device, far);
    await stage.world.time.run(Promise.all([pay(stage.A.device, near, MONEY), receiving]));
    expect(await dollars(stage.B.device)).toBe(5000n);
  });
});

describe("X has said Ready", () => {
  beforeEach(async () => {
    await payCut("A module>peer KEY");
  });

  it("step 1732: X has on record from whom it had notes, how much, and the notes themselves", async () => {
    const [record] = await stage.B.element.pending();
    expect(record).toMatchObject({ state: "in doubt", money: { amount: 5000n }, peer: stage.A.element.id });
    expect(record?.payId).toHaveLength(32);
    expect((await stage.B.element.notes()).map(({ spendable, money }) => [spendable, money.amount])).toEqual([
      [false, 5000n],
    ]);
    // Not lost with the power either.
    await stage.B.device.restart("1234");
    expect((await stage.B.element.pending())[0]?.state).toBe("in doubt");
  });

  it("steps 1734-1738: X's subscriber is told that there may have been a money transfer error", async () => {
    const doubt = noticesOf(stage.story, "B").at(-1);
    expect(doubt?.name).toBe("DOUBT");
    expect(doubt?.items.slice(1)).toEqual([stage.A.element.id, 5000, 840, 2]);
    expect(noticesOf(stage.story, "B").map(({ name }) => name)).not.toContain("ABORTED");
  });

  it("text at step 1758: meanwhile the notes are spendable by neither side", async () => {
    expect([await dollars(stage.A.device), await dollars(stage.B.device)]).toEqual([3500n, 0n]);
    expect((await stage.B.element.balances())[0]).toMatchObject({ spendable: 0n, inDoubt: 5000n });
    const [near, far] = inProcessLink();
    const receiving = receive(stage.A.device, far);
    const spending = pay(stage.B.device, near, parseMoney("1.00 USD"));
    const results = await stage.world.time.run(Promise.allSettled([spending, receiving]));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("instead of a claim to an agency: when the two meet again X has its money, and both logs agree", async () => {
    await settle();
    expect([await dollars(stage.A.device), await dollars(stage.B.device)]).toEqual([3500n, 5000n]);
    const [paid, received] = [await stage.A.element.log(), await stage.B.element.log()];
    expect(paid[0]).toMatchObject({ outcome: OUTCOME_COMMITTED, money: { amount: 5000n } });
    expect(received[0]).toMatchObject({ outcome: OUTCOME_COMMITTED, payId: paid[0]?.payId });
  });
});

it("X has said Ready and Y never heard it: Y aborts, and proves that when they meet; X's notes were void", async () => {
  await payCut("B module>peer READY");
  expect(noticesOf(stage.story, "A").at(-1)?.name).toBe("ABORTED");
  expect(noticesOf(stage.story, "B").at(-1)?.name).toBe("DOUBT");
  expectRolledBack(stage.A);
  await settle();
  expect(noticesOf(stage.story, "B").map(({ name }) => name)).toContain("VOID");
  expect([await dollars(stage.A.device), await dollars(stage.B.device)]).toEqual([8500n, 0n]);
  expect(await stage.B.element.pending()).toEqual([]);
  expectRolledBack(stage.B);
});

describe("X is a teller", () => {
  it("steps 1740-1742: a deposit that fails before Ready: the bank is told to take back what it posted", async () => {
    const [near, far] = inProcessLink(strikeAt(stage.story, "A module>peer NOTE", CUT));
    const paying = deposit(stage.A.device, { connect: () => Promise.resolve(near) }, "account", MONEY);
    await stage.world.time.run(Promise.allSettled([paying, serve(far)]));
    expect(noticesOf(stage.story, "T").at(-1)?.name).toBe("ABORTED");
    expect(noticesOf(stage.story, "T").map(({ name }) => name)).not.toContain("RECEIVED");
    expectRolledBack(stage.A, stage.T);
  });

  it("steps 1732, 1740-1742: one that fails after it: the bank is told of a doubt, with pay-id, peer and amount", async () => {
    const [near, far] = inProcessLink(strikeAt(stage.story, "A module>peer KEY", CUT));
    const paying = deposit(stage.A.device, { connect: () => Promise.resolve(near) }, "account", MONEY);
    await stage.world.time.run(Promise.allSettled([paying, serve(far)]));
    const [record] = await stage.T.element.pending();
    const doubt = { name: "DOUBT", items: [record?.payId, stage.A.element.id, 5000, 840, 2] };
    expect(noticesOf(stage.story, "T").at(-1)).toEqual(doubt);
  });
});

describe("X tells Y", () => {
  it("steps 1746-1754: Y rolls back and informs its subscriber, with X's reason", async () => {
    const [near, far] = inProcessLink();
    const receiving = receive(stage.B.device, far, () => REASON_DECLINED);
    await stage.world.time.run(Promise.allSettled([pay(stage.A.device, near, MONEY), receiving]));
    expect(stage.story.step("B module>peer ABORT").layers[0]).toMatchObject({ items: [REASON_DECLINED] });
    expect(stage.story.step("B module>peer ABORT").layers[0]?.key).toBeDefined();
    expect(noticesOf(stage.story, "B").at(-1)).toEqual({ name: "ABORTED", items: [REASON_DECLINED, false, null] });
    expect(noticesOf(stage.story, "A").at(-1)).toEqual({ name: "ABORTED", items: [REASON_DECLINED, true, null] });
    expect(stage.story.said).not.toContain("A module>peer ABORT");
    expectRolledBack(stage.A, stage.B);
  });

  it("steps 1746-1750: an offer that is under way is taken back at the peer's word", async () => {
    const [near, far] = inProcessLink((direction, _index, message) => {
      const last = stage.story.sent().at(-1)?.text;
      if (direction === 1 && last === "B module>peer AMOUNT_CORRECT") {
        queueMicrotask(() => void stage.B.device.manager.command("module", command.cancel()).catch(() => undefined));
      }
      return { kind: "replace", message };
    });
    const receiving = receive(stage.B.device, far);
    await stage.world.time.run(Promise.allSettled([pay(stage.A.device, near, MONEY), receiving]));
    expect(noticesOf(stage.story, "B").at(-1)).toEqual({ name: "ABORTED", items: [REASON_CANCELLED, false, null] });
    expect(noticesOf(stage.story, "A").at(-1)).toEqual({ name: "ABORTED", items: [REASON_CANCELLED, true, null] });
    expectRolledBack(stage.A, stage.B);
  });

  it("steps 1756-1758: Y is a teller: a withdrawal that its subscriber ends is taken back in its bank", async () => {
    const [near, far] = inProcessLink(strikeAt(stage.story, "T module>peer NOTE", CUT));
    const connection = { connect: () => Promise.resolve(near) };
    const asking = withdraw(stage.A.device, connection, "account", MONEY);
    await stage.world.time.run(Promise.allSettled([asking, serve(far)]));
    expect(noticesOf(stage.story, "T").map(({ name }) => name)).toEqual(["SESSION", "REQUESTED", "ABORTED"]);
    expectRolledBack(stage.A, stage.T);
  });
});
