/** WO 96/41315 fig. 13: four encryption channels under three session keys, and how often a message is encrypted on its way. */

import { beforeAll, describe, expect, it } from "vitest";
import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import type { Step } from "../support/figures.js";
import { FigureStage } from "../support/figures-stage.js";
import { trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 13");
  await trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE });
});

function keysOf(steps: readonly Step[], depth: number): Set<string> {
  return new Set(steps.flatMap(({ layers }) => layers[depth]?.key ?? []));
}

/** Steps after both devices have changed to key TA/MM, and before the modules are done. */
function paying(...beginnings: string[]): Step[] {
  const [from] = stage.story.places("A agent>module CORRECT");
  const to = stage.story.said.indexOf("A agent>host DONE");
  const window = stage.story.sent().slice(from, to);
  return window.filter(({ text }) => beginnings.some((each) => text.startsWith(each)));
}

describe("channels, each with keys that no other has", () => {
  const CHANNELS: readonly [string, readonly string[], number][] = [
    ["436, between the agents, TA/TA", ["A agent>peer", "B agent>peer"], 0],
    ["438, between A's agent and module, TA/MM", ["A agent>module", "A module>agent"], 0],
    ["440, between B's agent and module, TA/MM", ["B agent>module", "B module>agent"], 0],
    ["442, between the modules, MM/MM", ["A agent>peer", "B agent>peer"], 1],
  ];

  it.each(CHANNELS)("channel %s: one key for each direction", (_name, beginnings, depth) => {
    expect(keysOf(paying(...beginnings), depth).size).toBe(2);
  });

  it("no key is used in two channels", () => {
    const keys = CHANNELS.flatMap(([, beginnings, depth]) => [...keysOf(paying(...beginnings), depth)]);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(8);
  });
});

describe("layers", () => {
  it("a module's message is encrypted twice on every part of its way: MM/MM inside, TA/MM or TA/TA outside", () => {
    const routed = paying(
      "A module>agent INNER",
      "B module>agent INNER",
      "A agent>peer",
      "B agent>peer",
      "A agent>module INNER",
      "B agent>module INNER",
    );
    expect(routed.length).toBeGreaterThan(9);
    const between = [...keysOf(paying("A agent>peer", "B agent>peer"), 1)];
    for (const { layers, text } of routed) {
      expect(
        layers.map(({ key }) => typeof key),
        text,
      ).toEqual(["string", "string"]);
      expect(between, text).toContain(layers[1]?.key);
      expect(between, text).not.toContain(layers[0]?.key);
    }
  });

  it("the inner seal is not touched on the way: both agents pass on the same bytes", () => {
    for (const name of ["NOTE", "READY", "AMOUNT_CORRECT"]) {
      const [from, to] = name === "NOTE" ? ["B", "A"] : ["A", "B"];
      const parts = [`${from} module>agent`, `${from} agent>peer`, `${to} agent>module`].map((part) =>
        stage.story.step(`${part} INNER(${name})`).layers[0]?.items.at(-1),
      );
      expect(parts[0]).toBeInstanceOf(Uint8Array);
      expect(parts[1]).toEqual(parts[0]);
      expect(parts[2]).toEqual(parts[0]);
    }
  });

  it("what an agent and its module say to each other alone is encrypted once, under TA/MM", () => {
    for (const text of ["A agent>module CORRECT", "B agent>module AMOUNT"]) {
      const { layers } = stage.story.step(text);
      expect(layers.map(({ key }) => typeof key)).toEqual(["string"]);
      expect(keysOf(paying("A agent>peer", "B agent>peer"), 0).has(layers[0]?.key ?? "")).toBe(false);
    }
  });

  it("before TA/MM exists the link is sealed all the same, under the pairing key", () => {
    const early = stage.story.step("B agent>module FUNDS").layers[0]?.key;
    expect(early).toMatch(/^[0-9a-f]{64}$/);
    expect(keysOf(paying("B agent>module", "B module>agent"), 0).has(early ?? "")).toBe(false);
    // Each opening of the link has a key of its own.
    expect(stage.story.sent("B agent>module PAYMENT")[0]?.layers[0]?.key).not.toBe(early);
  });
});
