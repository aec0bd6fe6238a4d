/**
 * WO 96/41315 fig. 15, Send Routed Message: from module A through the agents to module B, before the modules' own link keys
 * (TA/MM) exist. In the source R(1) then lies in clear between agent and module; here the link is sealed from the beginning.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { TYPE_SALE } from "../../firmware/protocol/messages.js";
import type { Step } from "../support/figures.js";
import { FigureStage } from "../support/figures-stage.js";
import { trade } from "../support/purchase.js";

const EPOCH_PAIRING = 0;

let stage: FigureStage;
let way: Step[];

beforeAll(async () => {
  stage = await FigureStage.create("figure 15");
  await trade(stage.world, stage.A, stage.B, { type: TYPE_SALE });
  way = ["A module>agent", "A agent>peer", "B agent>module"].map((part) =>
    stage.story.step(`${part} INNER(HANDSHAKE_3)`),
  );
});

describe("the message with R(1), step 550", () => {
  it("step 640: module A encrypts it for module B", () => {
    const [first] = way;
    expect(first?.layers[1]?.key).toMatch(/^[0-9a-f]{64}$/);
    expect(first?.layers[1]?.items).toHaveLength(5);
  });

  it("steps 642-646: to its agent, through the host's message manager", () => {
    expect(way[0]).toMatchObject({ from: "module", to: "agent" });
    expect(way[0]?.body[0]).toBe(EPOCH_PAIRING);
  });

  it("step 648: agent A sends it to agent B by Send Message, under TA/TA", () => {
    const ta = stage.story.step("A agent>peer PAYMENT").layers[0]?.key;
    expect(way[1]?.layers[0]?.key).toBe(ta);
  });

  it("steps 650-654: agent B hands it to its module", () => {
    expect(way[2]).toMatchObject({ device: "B", from: "agent", to: "module" });
    expect(way[2]?.body[0]).toBe(EPOCH_PAIRING);
  });

  it("step 656: module B reads what module A wrote: the same sealed bytes on all parts of the way", () => {
    const inner = way.map(({ layers }) => layers[0]?.items.at(-1));
    expect(inner[0]).toBeInstanceOf(Uint8Array);
    expect(inner.slice(1)).toEqual([inner[0], inner[0]]);
    expect(way[2]?.layers[1]).toEqual(way[0]?.layers[1]);
  });

  it("three parts of the way, three outer keys, and none of them opens what is inside", () => {
    const outer = way.map(({ layers }) => layers[0]?.key);
    expect(new Set(outer).size).toBe(3);
    expect(outer).not.toContain(way[0]?.layers[1]?.key);
  });

  it("R(1) is in clear on no part of it: neither host could form key TA/MM", () => {
    const r = Buffer.from(way[0]?.layers[1]?.items[4] as Uint8Array);
    expect(r.length).toBe(32);
    expect(stage.story.steps.filter(({ body }) => Buffer.from(body).includes(r))).toEqual([]);
  });
});

it("step 554: R(2) comes back the same way", () => {
  const r2 = stage.story.step("B agent>peer PAYMENT_READY").layers[0]?.items[0];
  expect(stage.story.step("A agent>module INNER(ACKNOWLEDGE)").layers[1]?.items[1]).toEqual(r2);
  const places = stage.story.places(
    "B module>agent READY(ACKNOWLEDGE)",
    "B agent>peer INNER(ACKNOWLEDGE)",
    "A agent>module INNER(ACKNOWLEDGE)",
  );
  expect(places).toEqual([...places].sort((a, b) => a - b));
});
