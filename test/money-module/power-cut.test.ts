/**
 * Power is cut at each operation of the flash of payer and payee: before it, after it, within it. The module comes back,
 * the two meet again and resume: no step made or lost value, an abort left the store as it was, both agree, nothing is open
 * (docs/PROTOCOLS.md, section 1).
 */

import { beforeAll, describe, expect, test, vi } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import type { NoteSummary } from "../../host/element-data.js";
import type { Fate, OperationHook } from "../../simulator/faults.js";
import type { Strike } from "../support/faults.js";
import { type Ends, FaultStage, judgeWords, type ScenarioName, worth } from "../support/faults-scenarios.js";
import { type ModuleDevice, PIN, transfer } from "../support/modules.js";
import { generator, TEARS, type Tear, tornFate } from "../support/store-driver.js";

const WORD_BYTES = 4;
const SIDES = ["payer", "payee"] as const;
type Side = (typeof SIDES)[number];

// Many runs a test: seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 120_000 });

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.create("power cut");
});

/** Strikes the operation that comes after `at` others, once; says whether it came. */
class Cut {
  happened = false;
  #left: number;
  readonly hook: OperationHook = (operation) => {
    this.#left -= 1;
    if (this.#left >= 0 || this.happened) return undefined;
    this.happened = true;
    return this.fate(operation);
  };

  constructor(
    at: number,
    private readonly fate: (operation: Parameters<OperationHook>[0]) => Fate,
  ) {
    this.#left = at;
  }

  static torn(at: number, tear: Tear, seed: number): Cut {
    const next = generator(seed);
    return new Cut(at, (operation) => tornFate(tear, operation, next, WORD_BYTES));
  }
}

function arm(module: ModuleDevice, hook: OperationHook): void {
  module.simulated.chip.onOperation = hook;
}

/** Operations of one end while `work` runs. */
async function operations(module: ModuleDevice, work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  arm(module, () => {
    count += 1;
    return undefined;
  });
  await work();
  module.simulated.chip.onOperation = undefined;
  return count;
}

/** One run: `cut` strikes one end's chip; then power, resume, judgement. Whether the payment stands. */
async function runCut(name: ScenarioName, side: Side, cut: Cut, recover: (ends: Ends) => Promise<void>) {
  const ends = stage.reset(name);
  const before = await stage.before(ends);
  arm(ends[side], cut.hook);
  const outcomes = await stage.run(name, ends, stage.link());
  expect(cut.happened).toBe(true);
  await recover(ends);
  await stage.meet(ends);
  const isCommitted = await stage.judge(ends, before);
  judgeWords(outcomes, isCommitted);
  return isCommitted;
}

async function named<Result>(where: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function count(name: ScenarioName, side: Side): Promise<number> {
  const ends = stage.reset(name);
  return operations(ends[side], () => stage.run(name, ends, stage.link()));
}

/** Only the end that lost power starts again: what the other end has in memory must fit as well. */
async function restartOne(module: ModuleDevice): Promise<void> {
  module.simulated.chip.onOperation = undefined;
  await module.device.restart(PIN);
  stage.conservation.verify();
}

describe.each(["payment", "withdrawal", "deposit", "issue"] as const)("%s", (name) => {
  const tears = name === "payment" ? TEARS : (["before", "after", "random"] as const);

  test.each(SIDES)("power is cut at each operation of the %s", async (side) => {
    const total = await count(name, side);
    expect(total).toBeGreaterThan(4);
    let stands = 0;
    for (let at = 0; at < total; at += 1) {
      for (const [index, tear] of tears.entries()) {
        const cut = Cut.torn(at, tear, at * 31 + index + 1);
        const recover = (ends: Ends) => ((at + index) % 2 === 0 ? stage.restart(ends) : restartOne(ends[side]));
        if (await named(`${name}, ${side}: ${tear} at ${at}`, runCut(name, side, cut, recover))) stands += 1;
      }
    }
    expect(stands).toBeGreaterThan(0);
    expect(stands).toBeLessThan(total * tears.length);
  });

  test.each(SIDES)("flash fails at each operation of the %s", async (side) => {
    const total = await count(name, side);
    for (let at = 0; at < total; at += 1) {
      const cut = new Cut(at, (operation) => (operation.lengthBytes === 0 ? undefined : { fails: true }));
      await named(
        `${name}, ${side}: failure at ${at}`,
        runCut(name, side, cut, (ends) => stage.restart(ends)),
      );
    }
  });
});

test.each(SIDES)("power is cut again while the %s starts", async (side) => {
  const total = await count("payment", side);
  let again = 0;
  for (let at = 0; at < total; at += 1) {
    for (let boot = 0; boot < 8; boot += 1) {
      const second = Cut.torn(boot, TEARS[(at + boot) % TEARS.length] as Tear, at * 977 + boot + 1);
      const recover = async (ends: Ends) => {
        const { simulated } = ends[side];
        arm(ends[side], second.hook);
        try {
          simulated.powerOn();
        } catch {
          again += 1;
        }
        await stage.restart(ends);
      };
      const where = `payment, ${side}: cut at ${at}, and at ${boot} of the start`;
      await named(where, runCut("payment", side, Cut.torn(at, "after", 1), recover));
    }
  }
  expect(again, "starts that were cut").toBeGreaterThan(side === "payer" ? 20 : 4);
});

/** The last messages of a payment: the payee's Ready, the payer's key, the payee's confirmation. */
async function openEnds(name: ScenarioName): Promise<Strike[]> {
  const ends = stage.reset(name);
  const link = stage.link();
  await stage.run(name, ends, link);
  const payer = ends.payer === ends.initiator ? 0 : 1;
  const payee = payer === 0 ? 1 : 0;
  return [
    { direction: payee, index: link.sent[payee] - 2, fault: "cut" },
    { direction: payer, index: link.sent[payer] - 1, fault: "cut" },
    { direction: payee, index: link.sent[payee] - 1, fault: "cut" },
  ];
}

describe.each(["payment", "withdrawal"] as const)("the outcome session of a %s", (name) => {
  test.each(SIDES)("power is cut at each operation of the %s", async (side) => {
    let struck = 0;
    for (const strike of await openEnds(name)) {
      const open = async () => {
        const ends = stage.reset(name);
        const before = await stage.before(ends);
        await stage.run(name, ends, stage.link(strike));
        return { ends, before };
      };
      const { ends: counted } = await open();
      const total = await operations(counted[side], () => stage.meet(counted));
      for (let at = 0; at < total; at += 1) {
        for (const [index, tear] of TEARS.entries()) {
          const { ends, before } = await open();
          arm(ends[side], Cut.torn(at, tear, at * 13 + index + 1).hook);
          await stage.meet(ends).catch(() => undefined);
          await stage.restart(ends);
          await named(
            `${name} cut at ${strike.direction}/${strike.index}, ${side}: ${tear} at ${at} of the outcome session`,
            stage.meet(ends).then(() => stage.judge(ends, before)),
          );
          struck += 1;
        }
      }
    }
    expect(struck).toBeGreaterThan(0);
  });
});

describe("flash that rots in a running module", () => {
  /** Turns a bit right behind every place where these bytes stand. */
  function rot(module: ModuleDevice, bytes: Uint8Array): void {
    const { chip } = module.simulated;
    const image = Buffer.from(chip.snapshot());
    let found = 0;
    for (let at = image.indexOf(bytes); at >= 0; at = image.indexOf(bytes, at + 1)) {
      image[at + bytes.length] = (image[at + bytes.length] ?? 0) ^ 1;
      found += 1;
    }
    expect(found).toBeGreaterThan(0);
    chip.restore(image);
  }

  /** The payer has committed, the key did not arrive. */
  async function payeeInDoubt(): Promise<Ends> {
    const [, lostKey] = await openEnds("payment");
    const ends = stage.reset("payment");
    await stage.run("payment", ends, stage.link(lostKey));
    expect(await ends.payee.element.pending()).toMatchObject([{ state: "in doubt" }]);
    return ends;
  }

  test("a payer that cannot read its commit does not say that it aborted", async () => {
    const ends = await payeeInDoubt();
    const [committed] = await ends.payer.element.pending();
    expect(committed?.state).toBe("committed");
    rot(ends.payer, (committed as NonNullable<typeof committed>).payId);
    await stage.meet(ends).catch(() => undefined);
    expect(await ends.payee.element.pending()).toMatchObject([{ state: "in doubt" }]);
  });

  test("a note that cannot be read any more keeps its place, and does not stop the payment beside it", async () => {
    const clean = stage.reset("payment");
    const held = (await clean.payer.element.notes()).map(whole);
    const cleanLink = stage.link();
    await stage.run("payment", clean, cleanLink);
    const stays = (await clean.payer.element.notes()).find((note) => held.includes(whole(note)));
    if (stays === undefined) throw new Error("the payer keeps no note");
    const ends = stage.reset("payment");
    const link = stage.link();
    let isRotten = false;
    arm(ends.payer, () => {
      // Ready has come: this is the commit, after which the directory is read again.
      if (!isRotten && link.sent[1] === cleanLink.sent[1] - 1) {
        isRotten = true;
        rot(ends.payer, stays.noteId);
      }
      return undefined;
    });
    await stage.run("payment", ends, link);
    expect(isRotten).toBe(true);
    expect(await ends.payee.element.pending()).toEqual([]);
    expect(await worth(ends.payee)).toBe(7200n);
    expect((await ends.payer.element.notes()).map(whole)).not.toContain(whole(stays));
    // What comes in later lies elsewhere.
    await transfer(ends.payee, ends.payer, "72.00 USD");
    const places = (await ends.payer.element.notes()).map(({ place }) => place);
    expect(places.length).toBeGreaterThanOrEqual(3);
    expect(places).not.toContain(stays.place);
  });

  function whole({ noteId, place, money }: NoteSummary): string {
    return `${toHex(noteId)} at ${place}: ${money.amount}`;
  }
});
