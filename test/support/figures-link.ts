/** What figures 16 and 17 have in common: a message between module and agent of one device, under TA/MM, in both directions. */

import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import { KIND_LINK, TYPE_SALE } from "../../firmware/protocol/messages.js";
import type { Element } from "../../host/element.js";
import { FigureStage } from "./figures-stage.js";
import { names, trade } from "./purchase.js";

const EPOCH_TA_MM = 1;

export interface LinkFigure {
  readonly figure: number;
  /** The message that the figure is shown by, as a `Story` names it, and all of its link, both ways. */
  readonly message: string;
  readonly link: readonly string[];
  readonly from: "agent" | "module";
  readonly to: "agent" | "module";
  /** The element that takes the message, behind the host that may change it. */
  receiver(stage: FigureStage): Element;
  readonly steps: { readonly seal: string; readonly carry: string; readonly open: string };
}

const alter = (envelope: Uint8Array) => {
  envelope[envelope.length - 1] = (envelope.at(-1) ?? 0) ^ 1;
  return envelope;
};
const asEarlierEpoch = (envelope: Uint8Array) => {
  envelope[2] = 0;
  return envelope;
};

export function testLinkFigure(figure: LinkFigure): void {
  let stage: FigureStage;
  let undo: () => void;

  beforeAll(async () => {
    stage = await FigureStage.create(`figure ${figure.figure}`);
  });
  beforeEach(() => {
    stage.reset();
    undo = () => undefined;
  });
  afterEach(() => undo());

  const sell = () => trade(stage.world, stage.A, stage.B, { type: TYPE_SALE });

  /** The host changes what it carries to the receiver, once TA/MM is in use. */
  function tamper(change: (envelope: Uint8Array) => Uint8Array, times = 1): () => number {
    const element = figure.receiver(stage);
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

  it(`${figure.steps.seal}: the message is encrypted with session key TA/MM`, async () => {
    await sell();
    const step = stage.story.step(figure.message);
    expect(step.body[0]).toBe(EPOCH_TA_MM);
    expect(step.layers.map(({ key }) => typeof key)).toEqual(["string"]);
    const before = stage.story
      .sent(...figure.link)
      .filter(({ body, kind }) => kind === KIND_LINK && body[0] !== EPOCH_TA_MM);
    expect(before.length).toBeGreaterThan(2);
    expect(before.map(({ layers }) => layers[0]?.key)).not.toContain(step.layers[0]?.key);
  });

  it(`${figure.steps.carry}: the message manager carries it as it is`, async () => {
    await sell();
    const [said, arrived, ...more] = stage.story.steps.filter(({ text }) => text === figure.message);
    expect([said?.element, arrived?.element, more.length]).toEqual([figure.from, figure.to, 0]);
    expect(arrived?.body).toEqual(said?.body);
  });

  it.each([
    ["altered", alter],
    ["named for the pairing key's epoch", asEarlierEpoch],
  ])(
    `${figure.steps.open}: a message that was %s is refused; the same one comes again, and is taken`,
    async (_what, change) => {
      const changed = tamper(change);
      const result = await sell();
      expect(changed()).toBe(1);
      for (const side of [result.customer, result.merchant]) expect(names(side).at(-1)).toBe("done");
      const said = stage.story.sent(figure.message).map(({ body }) => Buffer.from(body).toString("hex"));
      expect(said.length).toBeGreaterThan(1);
      expect(new Set(said).size).toBe(1);
    },
  );

  it.each([
    ["alters", alter],
    ["renames", asEarlierEpoch],
  ])(
    `${figure.steps.open}: a host that %s it as often as it comes keeps the money where it is`,
    async (_what, change) => {
      const changed = tamper(change, 1 + QUERIES_MAX);
      const result = await sell();
      expect(changed()).toBe(1 + QUERIES_MAX);
      for (const side of [result.customer, result.merchant]) expect(names(side)).not.toContain("done");
      expect(await stage.balances()).toEqual([5000n, 10000n]);
    },
  );
}
