/** WO 96/41315 fig. 11, Abort Transaction, between trusted agents. */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ADDRESS_AGENT, KIND_REFUSAL, KIND_SEALED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import {
  REASON_CANCELLED,
  REASON_DECLINED,
  REASON_NOT_CONFIRMED,
  REASON_TIMEOUT,
} from "../../firmware/protocol/reasons.js";
import { command } from "../../host/commands.js";
import type { Disturbance } from "../../host/communications/in-process.js";
import { FigureStage } from "../support/figures-stage.js";
import { type HostAnswers, names, noticeOf, trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 11");
});
beforeEach(() => stage.reset());

interface Given {
  readonly customer?: HostAnswers;
  readonly merchant?: HostAnswers;
  readonly disturbance?: Disturbance;
}
const meet = (given: Given) => trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, ...given });
const no = () => command.no(REASON_DECLINED);

describe.each<[string, string, Given, number]>([
  ["A", "B", { customer: { cards: no } }, REASON_NOT_CONFIRMED],
  ["B", "A", { merchant: { terms: no } }, REASON_DECLINED],
  ["A", "B", { customer: { "confirm-receipt": () => command.cancel() } }, REASON_CANCELLED],
])("%s aborts", (aborting, other, given, reason) => {
  it("step 388: it aborts, and its host is told", async () => {
    const before = await stage.agentStores();
    const { customer, merchant } = await meet(given);
    const side = aborting === "A" ? customer : merchant;
    expect(noticeOf(side, "aborted")).toMatchObject({ reason, byPeer: false });
    expect(await stage.agentStores()).toEqual(before);
  });

  it("steps 390-394: it tells the other under the session key, with the reason", async () => {
    await meet(given);
    const step = stage.story.step(`${aborting} agent>peer ABORT`);
    expect(step.kind).toBe(KIND_SEALED);
    expect(step.layers[0]).toMatchObject({ items: [reason] });
    expect(step.layers[0]?.key).toMatch(/^[0-9a-f]{64}$/);
  });

  it("step 396: the other aborts, and has nothing to add", async () => {
    const { customer, merchant } = await meet(given);
    const side = aborting === "A" ? merchant : customer;
    expect(noticeOf(side, "aborted")).toMatchObject({ reason, byPeer: true });
    expect(stage.story.said).not.toContain(`${other} agent>peer ABORT`);
    const [at] = stage.story.places(`${aborting} agent>peer ABORT`);
    expect(stage.story.said.slice((at ?? 0) + 1).filter((text) => text.startsWith(`${other} agent>peer`))).toEqual([]);
  });
});

it("steps 390-394, the word is lost: the other finds out by its timer", async () => {
  let aborted = false;
  const { customer, merchant } = await meet({
    merchant: {
      terms: () => {
        aborted = true;
        return no();
      },
    },
    disturbance: (direction) => ({ kind: aborted && direction === 1 ? "lose" : "deliver" }),
  });
  expect(noticeOf(merchant, "aborted").reason).toBe(REASON_DECLINED);
  expect(noticeOf(customer, "aborted")).toMatchObject({ reason: REASON_TIMEOUT, byPeer: false });
});

it("steps 390-396: nobody but the peer can abort: its word in clear, or one that was altered, ends nothing", async () => {
  let put = 0;
  const { customer } = await meet({
    disturbance: (direction, index, message) => {
      if (direction !== 1 || index < 3 || put >= 4 || index % 2 === 0) return { kind: "deliver" };
      put += 1;
      const clear = Uint8Array.of(ADDRESS_AGENT, KIND_REFUSAL, REASON_DECLINED);
      const altered = message.slice();
      altered[2] = (altered[2] ?? 0) ^ 1;
      return { kind: "replace", message: put % 2 === 0 ? clear : altered };
    },
  });
  expect(put).toBe(4);
  expect(names(customer).at(-1)).toBe("done");
});
