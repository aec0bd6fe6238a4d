/**
 * Hosts that replay, reorder, truncate and splice what they carry: at every moment of a sale, a purchase and a payment, each
 * element is given what was said in other sessions, in other directions, on other channels (TA/TA, MM/MM, TA/MM), before and
 * after, whole and in pieces. Nothing of it is taken: nothing is written, nothing is said, and what was due is answered as if
 * it had never come.
 */

import { beforeAll, describe, expect, it } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import {
  ADDRESS_AGENT,
  ADDRESS_MODULE,
  ADDRESS_PEER,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import type { SimulatedChip } from "../../host/chips.js";
import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { FigureStage, ModuleStage } from "../support/figures-stage.js";
import { transfer } from "../support/modules.js";
import { type Answer, give, lastSaid, type Moment, Moments, returnTo, said } from "../support/moments.js";
import { names, trade } from "../support/purchase.js";
import { generator } from "../support/store-driver.js";

const ADDRESSES = [ADDRESS_AGENT, ADDRESS_MODULE, ADDRESS_PEER];
const TAG_BYTES = 16;
/** One in so many of all that was ever said is tried at a moment, from another place at each. */
const STRIDE = 3;

/** One transaction: its moments, those of the one before, and everything that was ever said, to be said again. */
interface Scene {
  readonly before: readonly Moment[];
  readonly moments: readonly Moment[];
  readonly pool: readonly Uint8Array[];
}

const scenes = new Map<string, Scene>();

function watchAll(moments: Moments, devices: readonly [string, { agent?: SimulatedChip; module?: SimulatedChip }][]) {
  for (const [name, { agent, module }] of devices) {
    if (agent !== undefined) moments.watch(`${name}'s agent`, agent);
    if (module !== undefined) moments.watch(`${name}'s module`, module);
  }
}

/** What is sealed within what is sealed, as envelopes: no host sees it, but if one did. */
function innerOf(stage: FigureStage): Uint8Array[] {
  const bytes = stage.story.steps.flatMap(({ layers }) => layers.flatMap(({ items }) => items));
  const isInner = (item: unknown): item is Uint8Array =>
    item instanceof Uint8Array &&
    item.length > TAG_BYTES &&
    (item[0] === m.KIND_HANDSHAKE || item[0] === m.KIND_SEALED);
  return bytes.filter(isInner).map((inner) => concatBytes(Uint8Array.of(ADDRESS_PEER), inner));
}

function distinct(envelopes: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(envelopes.map((each) => [toHex(each.subarray(1)), each])).values()];
}

beforeAll(async () => {
  const stage = await FigureStage.create("spliced envelopes");
  const moments = new Moments();
  watchAll(moments, [
    ["A", stage.A],
    ["B", stage.B],
  ]);
  const parts: Moment[][] = [];
  for (const type of [TYPE_PURCHASE, TYPE_SALE]) {
    const { customer, merchant } = await trade(stage.world, stage.A, stage.B, { type });
    expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
    parts.push(moments.all.splice(0));
  }
  moments.end();
  const [purchase, sale] = parts as [Moment[], Moment[]];
  const pool = distinct([...parts.flat().map(({ envelope }) => envelope), ...innerOf(stage)]);
  scenes.set("purchase", { before: [], moments: purchase, pool });
  scenes.set("sale", { before: purchase, moments: sale, pool });

  const modules = await ModuleStage.create("spliced envelopes of modules");
  const payments = new Moments();
  watchAll(payments, [
    ["A", { module: modules.A }],
    ["B", { module: modules.B }],
  ]);
  for (const money of ["25.00 USD", "35.00 USD"]) await modules.world.time.run(transfer(modules.A, modules.B, money));
  payments.end();
  const half = payments.all.length / 2;
  scenes.set("payment", {
    before: payments.all.slice(0, half),
    moments: payments.all.slice(half),
    pool: distinct(payments.all.map(({ envelope }) => envelope)),
  });
});

/** Beginnings and ends that do not belong together, and parts. */
function pieces(own: Uint8Array, other: Uint8Array): Uint8Array[] {
  const middle = Math.floor(own.length / 2);
  const altered = (at: number) => own.map((byte, i) => (i === at ? byte ^ 1 : byte));
  return [
    ...[2, 3, 4, middle, own.length - TAG_BYTES, own.length - 1].map((end) => own.slice(0, end)),
    concatBytes(own, Uint8Array.of(0)),
    concatBytes(own, own.subarray(2)),
    concatBytes(own.subarray(0, 2), other.subarray(2)),
    concatBytes(own.subarray(0, 3), other.subarray(3)),
    concatBytes(own.subarray(0, middle), other.subarray(Math.min(middle, other.length - 1))),
    concatBytes(own.subarray(0, -TAG_BYTES), other.subarray(-TAG_BYTES)),
    concatBytes(other.subarray(0, -TAG_BYTES), own.subarray(-TAG_BYTES)),
    ...[1, 2, 3, 10, middle, own.length - 1].map(altered),
  ];
}

class Trial {
  tried = 0;
  /** Of these how many were answered as the repeat that they were. */
  repeats = 0;
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Gives the element everything at this moment that is not due at it. */
  run(at: number): void {
    const moment = this.#scene.moments[at] as Moment;
    const { chip, envelope } = moment;
    returnTo(moment);
    const last = lastSaid(chip);
    const expected = said(give(chip, envelope));
    const due = this.#due(at);
    for (const attack of this.#attacks(at)) {
      // A link may always be opened again: below.
      if (due.has(toHex(attack)) || attack[1] === m.KIND_LINK_OPEN) continue;
      returnTo(moment);
      const answer = give(chip, attack);
      this.tried += 1;
      const what = `${moment.name}, moment ${at}, given ${toHex(attack.subarray(0, 6))}... of ${attack.length} bytes`;
      expect(answer.writes, what).toBe(0);
      if (envelope[1] === m.KIND_HANDSHAKE) {
        this.#onlyRefuses(answer, what);
        continue;
      }
      if (answer.envelopes.length > 0 || answer.status === 0x9000) this.#isRepeat(at, attack, answer, last, what);
      expect(said(give(chip, envelope)), what).toBe(expected);
    }
  }

  /** The next of every source: it is due, whichever the host brings first. */
  #due(at: number): Set<string> {
    const { name } = this.#scene.moments[at] as Moment;
    const next = new Map<number, string>();
    for (const later of this.#scene.moments.slice(at)) {
      const source = later.envelope[0] ?? 0;
      if (later.name === name && !next.has(source)) next.set(source, toHex(later.envelope));
    }
    return new Set(next.values());
  }

  *#attacks(at: number): Generator<Uint8Array> {
    const own = (this.#scene.moments[at] as Moment).envelope;
    for (const [place, each] of this.#scene.pool.entries()) {
      if ((place + at) % STRIDE !== 0) continue;
      for (const address of ADDRESSES) yield concatBytes(Uint8Array.of(address), each.subarray(1));
    }
    const other = this.#scene.pool[(7 * at + 3) % this.#scene.pool.length] as Uint8Array;
    yield* pieces(own, other);
  }

  /** No session is open yet: what is no message of this handshake ends it, in clear, and leaves nothing. */
  #onlyRefuses(answer: Answer, what: string): void {
    for (const each of answer.envelopes) {
      const isSession = each[0] === m.ADDRESS_PEER && each[1] === m.KIND_SEALED;
      const isNotice = each[0] === m.ADDRESS_HOST && each[3] !== m.NOTICE_ABORTED;
      expect(isSession || isNotice, what).toBe(false);
    }
  }

  /** The last words again, to what this element has heard already and nothing else. */
  #isRepeat(at: number, attack: Uint8Array, answer: Answer, last: readonly string[], what: string): void {
    expect(answer.envelopes.map(toHex), what).toEqual(last);
    const { before, moments } = this.#scene;
    const { name } = moments[at] as Moment;
    const heard = [...before, ...moments.slice(0, at)].filter((earlier) => earlier.name === name);
    const tag = toHex(attack.subarray(-TAG_BYTES));
    expect(
      heard.some((earlier) => toHex(earlier.envelope.subarray(-TAG_BYTES)) === tag),
      what,
    ).toBe(true);
    this.repeats += 1;
  }
}

describe.each(["purchase", "sale", "payment"])("in a %s", (name) => {
  it("nothing is taken that is not due, whatever was said elsewhere or before", () => {
    const scene = scenes.get(name) as Scene;
    const trial = new Trial(scene);
    for (const at of scene.moments.keys()) trial.run(at);
    expect(trial.tried).toBeGreaterThan(name === "payment" ? 100 : 3000);
    expect(trial.repeats).toBeGreaterThan(0);
  });
});

describe("a link opened again by a host that has recorded everything", () => {
  it("has a key of its own: nothing that was ever said on a link is taken on it", () => {
    const { moments, pool } = scenes.get("sale") as Scene;
    const modules = moments.filter(({ name }) => name.endsWith("module"));
    const [open] = pool.filter((each) => each[1] === m.KIND_LINK_OPEN);
    const links = pool.filter((each) => each[1] === m.KIND_LINK);
    expect(links.length).toBeGreaterThan(20);
    let opened = 0;
    for (const moment of modules) {
      returnTo(moment);
      const answer = give(moment.chip, concatBytes(Uint8Array.of(ADDRESS_AGENT), (open as Uint8Array).subarray(1)));
      expect(answer.envelopes.map((each) => [each[0], each[1]])).toEqual(
        answer.envelopes.length === 0 ? [] : [[ADDRESS_AGENT, m.KIND_LINK_OPEN]],
      );
      if (answer.envelopes.length > 0) opened += 1;
      const image = moment.chip.simulated.snapshot();
      for (const link of links) {
        moment.chip.simulated.restore(image);
        const taken = give(moment.chip, concatBytes(Uint8Array.of(ADDRESS_AGENT), link.subarray(1)));
        expect([taken.envelopes.length, taken.writes]).toEqual([0, 0]);
      }
    }
    expect(opened).toBeGreaterThan(10);
  });
});

describe("a transaction during which that goes on", () => {
  /** So few that no session ends for its errors (SESSION_ERRORS_MAX, each). */
  const INJECTIONS_MAX = 6;

  it.each([
    ["purchase", TYPE_PURCHASE, [6000n, 9000n]],
    ["sale", TYPE_SALE, [4000n, 11_000n]],
  ] as const)("a %s ends right", async (name, type, balances) => {
    const stage = await FigureStage.create("envelopes spliced in between");
    const { pool } = scenes.get(name) as Scene;
    const random = generator(type);
    const chips = [stage.A, stage.B].flatMap(({ agent, module }) => [agent, module]);
    const injected = chips.map((chip) => inject(chip, pool, random));
    const { customer, merchant } = await trade(stage.world, stage.A, stage.B, { type });
    expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
    expect(await stage.balances()).toEqual(balances);
    for (const { device } of [stage.A, stage.B]) expect(await device.module.pending()).toEqual([]);
    for (const count of injected) expect(count()).toBeGreaterThan(1);
  });

  /** Before what is due the element is given something else, once its session is open. How often it was. */
  function inject(chip: SimulatedChip, pool: readonly Uint8Array[], random: () => number): () => number {
    const deliver = chip.element.deliver.bind(chip.element);
    const sealed = pool.filter((each) => each[1] === m.KIND_SEALED || each[1] === m.KIND_LINK);
    let left = INJECTIONS_MAX;
    chip.element.deliver = (envelope) => {
      const isOpen = envelope[1] === m.KIND_SEALED || envelope[1] === m.KIND_LINK;
      if (isOpen && left > 0 && random() % 4 > 0) {
        left -= 1;
        const other = sealed[random() % sealed.length] as Uint8Array;
        const attack = random() % 2 === 0 ? other : concatBytes(envelope.subarray(0, 2), other.subarray(2));
        give(chip, concatBytes(Uint8Array.of(envelope[0] ?? 0), attack.subarray(1)));
      }
      return deliver(envelope);
    };
    return () => INJECTIONS_MAX - left;
  }
});
