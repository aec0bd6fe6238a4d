/**
 * WO 96/41315 fig. 21, Commit for money modules. X, who receives, says Ready and so passes the duty to commit first to Y,
 * who pays. Y's acknowledgement is the key of the transfers' lock.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { toHex } from "../../host/codec/bytes.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import { dollars, FigureStage, ModuleStage, noticesOf } from "../support/figures-stage.js";
import { PIN } from "../support/modules.js";
import { trade } from "../support/purchase.js";

const MONEY = parseMoney("50.00 USD");
/** A pays B: Y of the figure is A, X is B. */
const READY = "B module>peer READY";
const KEY = "A module>peer KEY";
const CONFIRM = "B module>peer CONFIRM";

let stage: ModuleStage;

beforeAll(async () => {
  stage = await ModuleStage.create("figure 21");
});
beforeEach(() => stage.reset());

interface Moment {
  readonly A: Uint8Array;
  readonly B: Uint8Array;
}

/** What both chips are at the moment when a message is on the line. */
async function moments(): Promise<Map<string, Moment>> {
  const at = new Map<string, Moment>();
  const look: Disturbance = () => {
    const last =
      stage.story
        .sent()
        .filter(({ to }) => to === "peer")
        .at(-1)?.text ?? "";
    if (!at.has(last)) at.set(last, { A: stage.A.simulated.snapshot(), B: stage.B.simulated.snapshot() });
    return { kind: "deliver" };
  };
  const [near, far] = inProcessLink(look);
  const receiving = receive(stage.B.device, far);
  await stage.world.time.run(Promise.all([pay(stage.A.device, near, MONEY), receiving]));
  return at;
}

/** Power off at that moment, and on again: only what is stored is there. */
async function wakeAt(moment: Moment | undefined): Promise<void> {
  if (moment === undefined) throw new Error("no such moment");
  for (const [module, bytes] of [
    [stage.A, moment.A],
    [stage.B, moment.B],
  ] as const) {
    module.simulated.restore(bytes);
    await module.device.restart(PIN);
  }
}

describe("steps 1702-1724, each as it is if the power fails right then", () => {
  it("steps 1702-1704, Ready: X has the notes stored, provisional; Y has committed to nothing", async () => {
    await wakeAt((await moments()).get(READY));
    expect((await stage.B.element.pending())[0]).toMatchObject({ state: "in doubt", money: { amount: 5000n } });
    expect((await stage.B.element.balances())[0]).toMatchObject({ spendable: 0n, inDoubt: 5000n });
    expect(await dollars(stage.A.device)).toBe(8500n);
    expect((await stage.A.element.log())[0]?.outcome).not.toBe(OUTCOME_COMMITTED);
  });

  it("steps 1706-1710, acknowledgement: Y's commit and its log entry are stored before the key leaves", async () => {
    await wakeAt((await moments()).get(KEY));
    expect(await dollars(stage.A.device)).toBe(3500n);
    expect((await stage.A.element.log())[0]).toMatchObject({ kind: LOG_SENT, outcome: OUTCOME_COMMITTED });
    expect((await stage.A.element.pending())[0]).toMatchObject({ state: "committed", confirmed: false });
    expect(await dollars(stage.B.device)).toBe(0n);
  });

  it("steps 1718-1720: X's commit and its log entry are stored before it says so", async () => {
    await wakeAt((await moments()).get(CONFIRM));
    expect(await dollars(stage.B.device)).toBe(5000n);
    const entry = (await stage.B.element.log())[0];
    expect(entry).toMatchObject({ kind: LOG_RECEIVED, outcome: OUTCOME_COMMITTED, money: { amount: 5000n } });
    expect(toHex(entry?.peer ?? new Uint8Array())).toBe(stage.A.element.idHex);
  });

  it("the payer commits first: at no moment do both have the money", async () => {
    for (const [text, moment] of await moments()) {
      await wakeAt(moment);
      const sum = (await dollars(stage.A.device)) + (await dollars(stage.B.device));
      expect(sum, text).toBeLessThanOrEqual(8500n);
    }
  });
});

describe("what is told", () => {
  it("steps 1712-1714, 1722: each subscriber is told of the successful transaction, after the commit", async () => {
    await moments();
    const [record] = (await stage.A.element.log()).map(({ payId }) => payId);
    expect(noticesOf(stage.story, "A").find(({ name }) => name === "SENT")?.items).toEqual([
      record,
      stage.B.element.id,
      5000,
      840,
      2,
      null,
    ]);
    expect(
      noticesOf(stage.story, "B")
        .find(({ name }) => name === "RECEIVED")
        ?.items.slice(0, 3),
    ).toEqual([record, stage.A.element.id, 5000]);
    const places = stage.story.places(READY, KEY, "A module>host SENT", CONFIRM);
    expect(places.slice(0, 2)).toEqual([...places.slice(0, 2)].sort((a, b) => a - b));
    expect(stage.story.places(READY)[0]).toBeLessThan(stage.story.places("A module>host SENT")[0] ?? 0);
  });

  it("steps 1716, 1724: both note the end of the session: nothing is pending, and another payment starts", async () => {
    await moments();
    for (const module of [stage.A, stage.B]) expect(await module.element.pending()).toEqual([]);
    const [near, far] = inProcessLink();
    const receiving = receive(stage.A.device, far);
    await stage.world.time.run(Promise.all([pay(stage.B.device, near, parseMoney("1.00 USD")), receiving]));
    expect(await dollars(stage.B.device)).toBe(4900n);
  });

  it("text: with agents the same words go E-routed, and subscribers' notices go to the agents, sealed", async () => {
    const agents = await FigureStage.create("figure 21, agents");
    await trade(agents.world, agents.A, agents.B, { type: TYPE_SALE });
    const places = agents.story.places(
      "B agent>peer INNER(READY)",
      "A module>agent SUCCESS(KEY)",
      "A agent>peer INNER(KEY)",
      "B module>agent SUCCESS(CONFIRM)",
      "B agent>peer INNER(CONFIRM)",
    );
    expect(places).toEqual([...places].sort((a, b) => a - b));
    for (const device of ["A", "B"]) expect(noticesOf(agents.story, device)).toEqual([]);
    const keys = agents.story.step("A module>agent SUCCESS(KEY)").layers.map(({ key }) => typeof key);
    expect(keys).toEqual(["string", "string"]);
  });
});

it("a wrong key commits nothing: X stays in doubt, and takes the right one", async () => {
  const wrong: string[] = [];
  stage.story.cheat(stage.A.simulated.chip, (items) => {
    if (items.length !== 2 || items[0] !== 9 || !(items[1] instanceof Uint8Array) || items[1].length !== 32)
      return undefined;
    const key = items[1].slice();
    key[0] = (key[0] ?? 0) ^ 1;
    wrong.push(toHex(key));
    return [9, key];
  });
  const [near, far] = inProcessLink();
  const receiving = receive(stage.B.device, far);
  await stage.world.time.run(Promise.allSettled([pay(stage.A.device, near, MONEY), receiving]));
  expect(wrong).toHaveLength(1);
  expect(await dollars(stage.B.device)).toBe(0n);
  expect((await stage.B.element.pending())[0]?.state).toBe("in doubt");
});
