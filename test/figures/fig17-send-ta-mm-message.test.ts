/** WO 96/41315 fig. 17, Send TA/MM Message: from a trusted agent to its money module, under TA/MM. */

import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import { KIND_LINK, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { FigureStage } from "../support/figures-stage.js";
import { names, trade } from "../support/purchase.js";

const EPOCH_TA_MM = 1;
const MESSAGE = "A agent>module AMOUNT";

let stage: FigureStage;
let undo: () => void;

beforeAll(async () => {
  stage = await FigureStage.create("figure 17");
});
beforeEach(() => {
  stage.reset();
  undo = () => undefined;
});
afterEach(() => undo());

const sell = () => trade(stage.world, stage.A, stage.B, { type: TYPE_SALE });

/** A's host changes what it carries to its module, once TA/MM is in use. */
function tamper(change: (envelope: Uint8Array) => Uint8Array, times = 1): () => number {
  const { element } = stage.A.module;
  const deliver = element.deliver.bind(element);
  let changed = 0;
  element.deliver = (envelope) => {
    const isLater = changed >= times || envelope[1] !== KIND_LINK || envelope[2] !== EPOCH_TA_MM;
    if (isLater) return deliver(envelope);
    changed += 1;
    return deliver(change(envelope.slice()));
  };
  undo = () => {
    element.deliver = deliver;
  };
  return () => changed;
}

it("step 668: the message is encrypted with session key TA/MM", async () => {
  await sell();
  const step = stage.story.step(MESSAGE);
  expect(step.body[0]).toBe(EPOCH_TA_MM);
  expect(step.layers.map(({ key }) => typeof key)).toEqual(["string"]);
  const before = stage.story
    .sent("A agent>module", "A module>agent")
    .filter(({ body, kind }) => kind === KIND_LINK && body[0] !== EPOCH_TA_MM);
  expect(before.length).toBeGreaterThan(2);
  expect(before.map(({ layers }) => layers[0]?.key)).not.toContain(step.layers[0]?.key);
});

it("steps 670-674: the message manager carries it to the module as it is", async () => {
  await sell();
  const [said, arrived, ...more] = stage.story.steps.filter(({ text }) => text === MESSAGE);
  expect([said?.element, arrived?.element, more.length]).toEqual(["agent", "module", 0]);
  expect(arrived?.body).toEqual(said?.body);
});

const alter = (envelope: Uint8Array) => {
  envelope[envelope.length - 1] = (envelope.at(-1) ?? 0) ^ 1;
  return envelope;
};
const asEarlierEpoch = (envelope: Uint8Array) => {
  envelope[2] = 0;
  return envelope;
};

it.each([
  ["altered", alter],
  ["named for the pairing key's epoch", asEarlierEpoch],
])("step 676: a message that was %s is refused; the same one comes again, and is taken", async (_what, change) => {
  const changed = tamper(change);
  const result = await sell();
  expect(changed()).toBe(1);
  for (const side of [result.customer, result.merchant]) expect(names(side).at(-1)).toBe("done");
  const said = stage.story.sent(MESSAGE).map(({ body }) => Buffer.from(body).toString("hex"));
  expect(said.length).toBeGreaterThan(1);
  expect(new Set(said).size).toBe(1);
});

it.each([
  ["alters", alter],
  ["renames", asEarlierEpoch],
])("step 676: a host that %s it as often as it comes keeps the money where it is", async (_what, change) => {
  const changed = tamper(change, 1 + QUERIES_MAX);
  const result = await sell();
  expect(changed()).toBe(1 + QUERIES_MAX);
  for (const side of [result.customer, result.merchant]) expect(names(side)).not.toContain("done");
  expect(await stage.balances()).toEqual([5000n, 10000n]);
});
