/** What the fuzzer stands on: it can open and make again all that was recorded, its rules can fail, and a seed gives the same run. */

import { beforeAll, describe, expect, test } from "vitest";
import { MODULE_PROPOSE } from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { sha256 } from "../../host/crypto.js";
import type { LogEntry } from "../../host/element-data.js";
import { Engine } from "./engine.js";
import { rebuilt } from "./knowledge.js";
import { mutated, valueIn } from "./mutate.js";
import { Numbers } from "./numbers.js";
import { checkMoney } from "./observation.js";
import type { Recording } from "./recording-chips.js";
import { record } from "./recordings.js";
import { type Workshop, workshop } from "./setup.js";
import { Finding, type Input, readInput, storedInput } from "./target.js";

const WHOLE_TEST_MS = 120_000;

let recordings: readonly Recording[];
let shop: Workshop;
beforeAll(async () => {
  shop = await workshop();
  recordings = await record();
});

describe("layers of recorded commands", () => {
  test("each layer, said again, gives the command again, byte for byte", { timeout: WHOLE_TEST_MS }, () => {
    let layersSeen = 0;
    let deepest = 0;
    for (const { commands, knowledge, name } of recordings) {
      for (const { apdu } of commands) {
        const layers = knowledge.layersOf(apdu);
        layers.forEach(({ content }, at) => {
          expect(toHex(rebuilt(layers, at, content, new Map())), `${name}, layer ${at}`).toBe(toHex(apdu));
        });
        layersSeen += layers.length;
        deepest = Math.max(deepest, ...layers.map((_, at) => depthOf(layers, at)));
      }
    }
    expect(layersSeen).toBeGreaterThan(3_000);
    // APDU, data, body, agents' message, module's message in it, the note, its body, what was signed.
    expect(deepest).toBeGreaterThanOrEqual(8);
  });

  test("an amount that is changed inside a sealed proposal is sealed again", () => {
    const { commands, knowledge } = recordings.find(({ name }) => name === "modules/bob") as Recording;
    const proposals = commands.flatMap(({ apdu }) => {
      const layers = knowledge.layersOf(apdu);
      const at = layers.findIndex(({ content }) => isProposal(valueIn(content)));
      return at < 0 ? [] : [{ layers, at }];
    });
    expect(proposals.length).toBeGreaterThan(0);
    for (const { layers, at } of proposals) {
      const [word, _amount, ...rest] = decode((layers[at] as (typeof layers)[number]).content) as CborValue[];
      const other = encode([word as CborValue, 77n, ...rest]);
      const apdu = rebuilt(layers, at, other, new Map());
      expect(toHex(apdu)).not.toBe(toHex((layers[0] as (typeof layers)[number]).content));
    }
  });
});

test("a share that an issuer sealed is altered inside, signed and sealed again", () => {
  const { commands, knowledge } = recordings.find(({ name }) => name === "purses/alice") as Recording;
  const installs = commands.flatMap(({ apdu }) => {
    const layers = knowledge.layersOf(apdu);
    const at = layers.findIndex(({ content }) => isShare(valueIn(content)));
    return at < 0 ? [] : [{ layers, at }];
  });
  expect(installs.length).toBeGreaterThan(1);
  for (const { layers, at } of installs) {
    const items = decode((layers[at] as (typeof layers)[number]).content) as CborValue[];
    const sealed = rebuilt(layers, at, encode(items.with(12, 9)), new Map());
    expect(depthOf(layers, at)).toBeGreaterThan(5);
    expect(sealed.length).toBe((layers[0] as (typeof layers)[number]).content.length);
    expect(toHex(sealed)).not.toBe(toHex((layers[0] as (typeof layers)[number]).content));
  }
});

/** The payload of one: version and 15 items, of which the nonce is the first. */
function isShare(value: CborValue | undefined): boolean {
  return Array.isArray(value) && value[0] === 1 && value.length === 16 && value[1] instanceof Uint8Array;
}

function depthOf(layers: readonly { readonly parent: number }[], at: number): number {
  const parent = layers[at]?.parent ?? -1;
  return parent < 0 ? 1 : 1 + depthOf(layers, parent);
}

function isProposal(value: CborValue | undefined): boolean {
  return Array.isArray(value) && value[0] === MODULE_PROPOSE && value.length === 5;
}

describe("rules", () => {
  const unit = { currency: 840, exponent: 2 };
  const entry = (sequence: number, kind: number, amount: bigint): LogEntry => {
    const rest = { date_seconds: 0, peer: new Uint8Array(16), payId: new Uint8Array(32), outcome: 1, detail: 0 };
    return { sequence, kind, money: { unit, amount }, ...rest };
  };
  const holding = (amount: bigint, ...log: LogEntry[]) => ({ held: new Map([["840/2", amount]]), log, offers: 0 });

  test("money moves as the log says, no more and no less", () => {
    const before = holding(100n);
    expect(() => checkMoney(before, before)).not.toThrow();
    for (const amount of [99n, 101n]) expect(() => checkMoney(before, holding(amount))).toThrow(Finding);
    const { held } = holding(0n);
    expect([...held.keys()]).toHaveLength(1);
    expect(() => checkMoney(before, holding(100n, entry(0, 1, 30n)))).toThrow(Finding);
  });

  test("of every recorded state all rules hold", { timeout: WHOLE_TEST_MS }, () => {
    for (const { targets } of shop.groups) {
      for (const target of targets) for (const seed of target.seeds()) target.run(seed, () => undefined);
    }
  });
});

describe("runs", () => {
  test("one seed gives one run", { timeout: WHOLE_TEST_MS }, async () => {
    const run = async (seed: string) => {
      const engine = new Engine((await workshop()).groups, seed);
      const unbounded = { executions: Number.MAX_SAFE_INTEGER, isOver: () => false };
      engine.begin([], unbounded);
      engine.run({ ...unbounded, executions: engine.executions + 300 });
      const kept = JSON.stringify(engine.kept.map(storedInput));
      return toHex(sha256(new TextEncoder().encode(kept)));
    };
    const same = await run("same");
    expect(await run("same")).toBe(same);
    expect(await run("other")).not.toBe(same);
  });

  test("an input is stored and read as it is", () => {
    const input: Input = {
      target: "a",
      steps: [{ base: 3, layer: 2, bytes: Uint8Array.of(1, 2) }, { power: true }, { base: 1, form: "no-le" }],
    };
    const stored = JSON.parse(JSON.stringify(storedInput(input))) as Parameters<typeof readInput>[0];
    expect(readInput(stored)).toEqual(input);
  });

  test("what is mutated is something else, nearly always, and what is CBOR stays so most of the time", () => {
    const numbers = new Numbers("mutate");
    const value = encode([1, "text", new Uint8Array(20), new Map([[1, 5]]), [null, true]]);
    const results = Array.from({ length: 400 }, () => mutated(value, numbers, value));
    expect(results.filter((bytes) => toHex(bytes) !== toHex(value)).length).toBeGreaterThan(300);
    expect(results.filter((bytes) => valueIn(bytes) !== undefined).length).toBeGreaterThan(150);
  });
});
