/** WO 96/41315 fig. 9, Send Message: from trusted agent to trusted agent under session key TA/TA. */

import { beforeAll, beforeEach, expect, it } from "vitest";
import { KIND_HANDSHAKE, KIND_SEALED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { encode } from "../../host/codec/cbor.js";
import type { Disturbance } from "../../host/communications/in-process.js";
import type { Step } from "../support/figures.js";
import { FigureStage } from "../support/figures-stage.js";
import { names, trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 9");
});
beforeEach(() => stage.reset());

const buy = (disturbance: Disturbance = () => ({ kind: "deliver" })) =>
  trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, disturbance });

/** What agents send once their session is open, and what arrives of it. */
function sealed(): { sent: Step[]; arrived: Step[] } {
  const between = stage.story.steps.filter(({ element, kind }) => element === "agent" && kind === KIND_SEALED);
  return { sent: between.filter(({ to }) => to === "peer"), arrived: between.filter(({ from }) => from === "peer") };
}

it("step 376: every message is encrypted with the session key, and differs from every other", async () => {
  await buy();
  const { sent } = sealed();
  expect(sent.length).toBeGreaterThan(15);
  // One key for each direction of the session, both known to both.
  for (const device of ["A", "B"]) {
    const keys = new Set(sent.filter((step) => step.device === device).map(({ layers }) => layers[0]?.key));
    expect([keys.size, keys.has(undefined)]).toEqual([1, false]);
  }
  expect(new Set(sent.map(({ body }) => Buffer.from(body).toString("hex"))).size).toBe(sent.length);
  for (const { body, layers, text } of sent) {
    const items = layers[0]?.items ?? [];
    for (const item of items) {
      const clear = Buffer.from(encode(item));
      if (clear.length >= 4) expect(Buffer.from(body).includes(clear), text).toBe(false);
    }
  }
});

it("steps 378-384: both message managers pass it on as it is, to the other agent", async () => {
  await buy();
  const { sent, arrived } = sealed();
  expect(arrived.map(({ device, body, to }) => [device, to, body])).toEqual(
    sent.map(({ device, body }) => [device === "A" ? "B" : "A", "agent", body]),
  );
});

it("only the three messages of the handshake go between agents without the session key", async () => {
  await buy();
  const open = stage.story.steps.filter(({ to, kind }) => to === "peer" && kind !== KIND_SEALED);
  expect(open.map(({ kind }) => kind)).toEqual([KIND_HANDSHAKE, KIND_HANDSHAKE, KIND_HANDSHAKE]);
});

it.each([0, 7, -1])("step 386: a message altered at byte %i does not open; asked for again, it arrives", async (at) => {
  let altered = 0;
  const { customer, merchant } = await buy((direction, index, message) => {
    if (direction !== 0 || index < 2 || altered >= 3 || (index + altered) % 2 === 1) return { kind: "deliver" };
    altered += 1;
    const other = message.slice();
    const place = 2 + ((at + message.length - 2) % (message.length - 2));
    other[place] = (other[place] ?? 0) ^ 0x10;
    return { kind: "replace", message: other };
  });
  expect(altered).toBe(3);
  expect(stage.B.device.manager.dropped).toBeGreaterThanOrEqual(3);
  expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
});

it("step 386: a message that comes twice counts once, and gets the same answer, byte for byte", async () => {
  const { customer } = await buy(() => ({ kind: "repeat", times: 1 }));
  expect(names(customer).filter((name) => name === "done")).toHaveLength(1);
  expect(await stage.balances()).toEqual([6000n, 9000n]);
  const bodies = sealed().sent.map(({ body }) => Buffer.from(body).toString("hex"));
  expect(bodies.length).toBeGreaterThan(new Set(bodies).size);
  const texts = new Set(sealed().sent.map(({ text, body }) => `${text} ${Buffer.from(body).toString("hex")}`));
  // As many different sealed bytes as different messages: nothing was sealed anew for a repeat.
  expect(texts.size).toBe(new Set(bodies).size);
});
