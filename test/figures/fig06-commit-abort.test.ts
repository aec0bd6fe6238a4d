/** WO 96/41315 fig. 6A, Commit, and fig. 6B, Abort, of a trusted agent; and the time-out of the text beside them. */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import {
  LOG_AUTHORIZED,
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_SESSION,
  TYPE_PURCHASE,
} from "../../firmware/protocol/messages.js";
import { REASON_APPROVAL_INVALID, REASON_DECLINED, REASON_TIMEOUT } from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { StatusWordError } from "../../host/status-words.js";
import { PIN } from "../support/agents.js";
import { FigureStage } from "../support/figures-stage.js";
import { names, noticeOf, outcomes, trade } from "../support/purchase.js";

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 6");
});
beforeEach(() => stage.reset());

const buy = (rest: Partial<Parameters<typeof trade>[3]> = {}) =>
  trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, ...rest });

describe("figure 6A: commit", () => {
  it("step 230: each agent's transaction log tells date, peer, amount and pay-id", async () => {
    const { customer } = await buy();
    const { payId } = noticeOf(customer, "done");
    for (const [own, other] of [
      [stage.A, stage.B],
      [stage.B, stage.A],
    ] as const) {
      const entry = (await own.device.agent.log())[0];
      expect(entry).toMatchObject({
        kind: LOG_AUTHORIZED + TYPE_PURCHASE,
        outcome: OUTCOME_COMMITTED,
        money: { amount: 1000n, unit: { currency: 840 } },
      });
      expect(toHex(entry?.peer ?? new Uint8Array())).toBe(other.device.agent.idHex);
      expect(entry?.payId).toEqual(payId);
      expect(entry?.date_seconds).toBeGreaterThanOrEqual(1_800_000_000);
    }
  });

  it("steps 230, 232: what the host is told is in the log already, whatever happens to the power then", async () => {
    let cut: Uint8Array | undefined;
    const atNotice = () => {
      cut = stage.A.agent.simulated.snapshot();
      return undefined;
    };
    const { customer } = await buy({ customer: { done: atNotice } });
    if (cut === undefined) throw new Error("no notice");
    stage.A.agent.simulated.restore(cut);
    await stage.A.device.restart(PIN);
    expect((await stage.A.device.agent.log())[0]?.payId).toEqual(noticeOf(customer, "done").payId);
  });

  it("step 232: each host is told that the transaction is complete, once", async () => {
    const { customer, merchant } = await buy();
    for (const side of [customer, merchant]) expect(names(side).filter((name) => name === "done")).toHaveLength(1);
  });

  it("step 234: the session has ended: nothing is left to cancel, and the next transaction begins at once", async () => {
    await buy();
    const late = stage.A.device.manager.command("agent", command.yes());
    await expect(late).rejects.toBeInstanceOf(StatusWordError);
    const again = await buy();
    expect([names(again.customer).at(-1), names(again.merchant).at(-1)]).toEqual(["done", "done"]);
    expect(await stage.balances()).toEqual([7000n, 8000n]);
  });
});

describe("figure 6B: abort", () => {
  it("step 236: changes are rolled back: both agents' stores are exactly what they were", async () => {
    const before = await stage.agentStores();
    await buy({ customer: { "confirm-receipt": () => command.no(REASON_DECLINED) } });
    expect(await stage.agentStores()).toEqual(before);
  });

  it("step 236: a receipt that was held provisionally is gone when the transaction fails later", async () => {
    const held = await stage.A.device.agent.tickets();
    let provisional = 0;
    await buy({
      merchant: {
        authorize: async ({ receiptHash }) => {
          provisional = (await stage.A.device.agent.tickets()).length;
          return command.declined("51", receiptHash);
        },
      },
    });
    expect(provisional).toBe(held.length + 1);
    expect(await stage.A.device.agent.tickets()).toEqual(held);
  });

  it("step 238: each host is told that the transaction is aborted, and who began it", async () => {
    const { customer, merchant } = await buy({ customer: { cards: () => command.no(REASON_DECLINED) } });
    expect(noticeOf(customer, "aborted").byPeer).toBe(false);
    expect(noticeOf(merchant, "aborted").byPeer).toBe(true);
    expect(names(merchant).filter((name) => name === "aborted")).toHaveLength(1);
  });

  it("text at step 238: a merchant's agent that aborts after an authorization signs that it is to be reversed", async () => {
    const { merchant } = await buy({
      merchant: {
        authorize: (asked) => {
          const approval = stage.world.approve(asked, { authorization: asked.authorization.amount + 1n });
          return command.authorized(approval, stage.world.network.chain);
        },
      },
    });
    expect(noticeOf(merchant, "aborted").reason).toBe(REASON_APPROVAL_INVALID);
    expect(outcomes(stage.world, merchant.notices)).toMatchObject([
      { outcome: OUTCOME_ABORTED, referenceKind: REFERENCE_SESSION },
    ]);
    expect((await stage.B.device.agent.log())[0]).toMatchObject({ outcome: OUTCOME_ABORTED });
  });
});

describe("text at figure 6: the time-out", () => {
  it("a reply that is lost is asked for again, and the timer starts anew", async () => {
    const lost = new Set([1, 4]);
    const { customer } = await buy({
      disturbance: (direction, index) => ({ kind: direction === 1 && lost.delete(index) ? "lose" : "deliver" }),
    });
    expect(lost.size).toBe(0);
    expect(names(customer)).toContain("done");
    expect(stage.story.sent("A host>agent TIMEOUT").length).toBeGreaterThanOrEqual(2);
  });

  it("a predetermined number of queries without a reply, then the agent aborts", async () => {
    const before = await stage.agentStores();
    const { customer, merchant } = await buy({
      disturbance: (direction, index) => ({ kind: direction === 1 && index >= 3 ? "lose" : "deliver" }),
    });
    expect(noticeOf(customer, "aborted").reason).toBe(REASON_TIMEOUT);
    expect(merchant.notices.at(-1)?.name).toBe("aborted");
    const [first] = stage.story.places("A agent>host AMOUNT");
    const asked = stage.story.said.slice(first).filter((text) => text === "A agent>peer AMOUNT");
    expect(asked).toHaveLength(1 + QUERIES_MAX);
    expect(await stage.agentStores()).toEqual(before);
  });
});
