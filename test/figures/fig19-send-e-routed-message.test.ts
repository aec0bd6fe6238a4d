/** WO 96/41315 fig. 19, Send E-Routed Message: from module to module through both agents, under all three session keys. */

import { beforeAll, describe, expect, it } from "vitest";
import { KIND_LINK, TYPE_SALE } from "../../firmware/protocol/messages.js";
import type { Step } from "../support/figures.js";
import { FigureStage, strikeAt } from "../support/figures-stage.js";
import { names, trade } from "../support/purchase.js";

const EPOCH_TA_MM = 1;

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 19");
  await trade(stage.world, stage.A, stage.B, { type: TYPE_SALE });
});

function way(from: "A" | "B", name: string): [Step, Step, Step] {
  const to = from === "A" ? "B" : "A";
  const parts = [`${from} module>agent`, `${from} agent>peer`, `${to} agent>module`];
  return parts.map((part) => stage.story.step(`${part} INNER(${name})`)) as [Step, Step, Step];
}

describe.each<["A" | "B", string]>([
  ["A", "PROPOSE"],
  ["B", "AMOUNT_CORRECT"],
  ["A", "NOTE"],
  ["B", "READY"],
])("%s's module says %s", (from, name) => {
  it("step 678: encrypted with MM/MM for the other module", () => {
    const other = from === "A" ? "PROPOSE" : "AMOUNT_CORRECT";
    expect(way(from, name)[0].layers[1]?.key).toBe(way(from, other)[0].layers[1]?.key);
  });

  it("step 680: and again with TA/MM for its agent, which takes that off", () => {
    const [first, second] = way(from, name);
    expect([first.kind, first.body[0]]).toEqual([KIND_LINK, EPOCH_TA_MM]);
    expect(second.layers[0]?.items.at(-1)).toEqual(first.layers[0]?.items.at(-1));
  });

  it("steps 682-684: between the agents encrypted with TA/TA", () => {
    const [first, second, third] = way(from, name);
    expect(new Set([first, second, third].map(({ layers }) => layers[0]?.key)).size).toBe(3);
    expect(second.layers[1]?.key).toBe(first.layers[1]?.key);
  });

  it("steps 686-690: with the other device's TA/MM to the module, which alone reads it", () => {
    const [first, , third] = way(from, name);
    expect([third.kind, third.body[0]]).toEqual([KIND_LINK, EPOCH_TA_MM]);
    expect(third.layers[1]).toEqual(first.layers[1]);
  });
});

it("lost between the agents, the message comes again, the same bytes, and the payment goes on", async () => {
  for (const text of ["A agent>peer INNER(PROPOSE)", "B agent>peer INNER(READY)"]) {
    stage.reset();
    let lost = 0;
    const strike = strikeAt(stage.story, text, { kind: "lose" });
    const { customer, merchant } = await trade(stage.world, stage.A, stage.B, {
      type: TYPE_SALE,
      disturbance: (direction, index, message) => {
        const fate = lost === 0 ? strike(direction, index, message) : { kind: "deliver" as const };
        if (fate.kind === "lose") lost += 1;
        return fate;
      },
    });
    expect(lost).toBe(1);
    expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
    const bodies = stage.story.sent(text).map(({ body }) => Buffer.from(body).toString("hex"));
    expect(bodies.length).toBeGreaterThan(1);
    expect(new Set(bodies).size).toBe(1);
  }
});
