/**
 * WO 96/41315 fig. 8, Establish Session between trusted agents. Noise XX does what the figure does with public keys,
 * verification messages and an exclusive or of R(A) and R(B): fresh keys, proof that the other is there now, and dates.
 * A sees B's certificate first; otherwise the order of the figure is kept.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PROTOCOL_SPOKEN } from "../../firmware/protocol/kinds.js";
import { CLOCK_SKEW_SECONDS_MAX } from "../../firmware/protocol/limits.js";
import { ADDRESS_AGENT, KIND_REFUSAL, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_ID,
  REASON_BAD_SEAL,
  REASON_BAD_SIGNATURE,
  REASON_CERTIFICATE_EXPIRED,
  REASON_CLOCK_SKEW,
  REASON_FOREIGN_CERTIFICATE,
  REASON_KEY_MISMATCH,
  REASON_TIMEOUT,
} from "../../firmware/protocol/reasons.js";
import { equalBytes } from "../../host/codec/bytes.js";
import type { CborValue } from "../../host/codec/cbor.js";
import type { Disturbance } from "../../host/communications/in-process.js";
import { AgentWorld, NOW } from "../support/agents.js";
import { FigureStage, type FullDevice } from "../support/figures-stage.js";
import { names, noticeOf, type Side, trade } from "../support/purchase.js";

const YEAR_SECONDS = 31_536_000;
const A_SAYS = 0;
const B_SAYS = 1;

let stage: FigureStage;

beforeAll(async () => {
  stage = await FigureStage.create("figure 8");
});
beforeEach(() => stage.reset());

function meet(disturbance?: Disturbance, customer: FullDevice = stage.A) {
  const options = disturbance === undefined ? { type: TYPE_PURCHASE } : { type: TYPE_PURCHASE, disturbance };
  return trade(stage.world, customer, stage.B, options);
}

/** Records one message of a session, and puts it in the place of the same message of a later one. */
function replay(at: { direction: 0 | 1; index: number }) {
  let kept: Uint8Array | undefined;
  const record: Disturbance = (direction, index, message) => {
    if (direction === at.direction && index === at.index) kept = message.slice();
    return { kind: "deliver" };
  };
  const put: Disturbance = (direction, index) =>
    direction === at.direction && index === at.index && kept !== undefined
      ? { kind: "replace", message: kept }
      : { kind: "deliver" };
  return { record, put };
}

/** The refusing agent ends the session and says so in clear; the other hears it; neither asked its owner anything. */
function expectRefusal(refusing: Side, refused: Side, reason: number): void {
  expect(noticeOf(refusing, "aborted")).toMatchObject({ reason, byPeer: false });
  expect(noticeOf(refused, "aborted")).toMatchObject({ reason, byPeer: true });
  expect(stage.story.steps.some(({ kind, from }) => kind === KIND_REFUSAL && from !== "peer")).toBe(true);
  for (const side of [refusing, refused]) expect(names(side)).not.toContain("confirm-merchant");
  expect(stage.story.said).not.toContain("A agent>peer REQUEST_CREDENTIAL");
}

/** A handshake's payload begins with its version and the chain: this changes one of its items. */
function payload(items: number, change: (payload: CborValue[]) => void) {
  return (plain: readonly CborValue[]) => {
    if (plain.length !== items || plain[0] !== PROTOCOL_SPOKEN || !(plain[1] instanceof Uint8Array)) return undefined;
    const copy = [...plain];
    change(copy);
    return copy;
  };
}

function withBadSignature(copy: CborValue[]): void {
  const chain = (copy[1] as Uint8Array).slice();
  // The device certificate's signature ends where the security server's certificate begins, that one's at the end.
  chain[chain.length - 1] = (chain.at(-1) ?? 0) ^ 1;
  copy[1] = chain;
}

describe("steps 296-374, all well", () => {
  it("steps 296-304, 318-326, 344-350, 364-366: certificates, R(A), R(B), dates, acknowledgement", async () => {
    await meet();
    const { story } = stage;
    const [first, second, third] = [
      "A agent>peer HANDSHAKE_1",
      "B agent>peer HANDSHAKE_2",
      "A agent>peer HANDSHAKE_3",
    ].map((text) => story.step(text));
    // R(A): an ephemeral key, and nothing else in clear.
    expect(first?.body.length).toBe(2 + 32);
    expect(second?.layers[0]?.items).toEqual([PROTOCOL_SPOKEN, await stage.B.device.agent.chain(), NOW, 0]);
    expect(third?.layers[0]?.items).toEqual([PROTOCOL_SPOKEN, await stage.A.device.agent.chain(), NOW, 0, null]);
    expect(story.step("B agent>peer ACKNOWLEDGE").layers[0]?.items).toEqual([NOW]);
  });

  it("steps 358, 374: both note the start of the session, with the other's id", async () => {
    const { customer, merchant } = await meet();
    expect(noticeOf(customer, "session").peer).toEqual(stage.B.device.agent.id);
    expect(noticeOf(merchant, "session").peer).toEqual(stage.A.device.agent.id);
  });

  it("steps 340-344, 360: every session has a key of its own, from fresh R(A) and R(B)", async () => {
    const keys = new Set<string | undefined>();
    const ephemerals = new Set<string>();
    for (let session = 0; session < 2; session += 1) {
      await meet();
      keys.add(stage.story.step("A agent>peer REQUEST_CREDENTIAL").layers[0]?.key);
      keys.add(stage.story.step("B agent>peer ACKNOWLEDGE").layers[0]?.key);
      for (const { body } of stage.story.sent("A agent>peer HANDSHAKE_1", "B agent>peer HANDSHAKE_2")) {
        ephemerals.add(Buffer.from(body.subarray(2, 34)).toString("hex"));
      }
      stage.story.clear();
    }
    expect([keys.size, ephemerals.size]).toEqual([4, 4]);
  });

  it("certificates travel sealed: whoever listens does not learn who meets", async () => {
    await meet();
    for (const device of [stage.A, stage.B]) {
      const chain = Buffer.from(await device.device.agent.chain());
      for (const { body } of stage.story.sent("A agent>peer", "B agent>peer")) {
        expect(Buffer.from(body).includes(chain.subarray(0, 60))).toBe(false);
      }
    }
  });
});

describe("B refuses A", () => {
  it("steps 306-312: a certificate whose signature is not genuine", async () => {
    stage.story.cheat(stage.A.agent.simulated.chip, payload(5, withBadSignature));
    const { customer, merchant } = await meet();
    expectRefusal(merchant, customer, REASON_BAD_SIGNATURE);
  });

  it("steps 306-312: another agent's certificate, copied: its key is not the one that spoke", async () => {
    const other = (await stage.world.device("Mallory", 1)).device;
    const chain = await other.agent.chain();
    stage.story.cheat(
      stage.A.agent.simulated.chip,
      payload(5, (copy) => {
        copy[1] = chain;
      }),
    );
    const { customer, merchant } = await meet();
    expectRefusal(merchant, customer, REASON_KEY_MISMATCH);
  });

  it("steps 310-312: an agent that has said its last word of the handshake still hears that it is denied", async () => {
    const id = stage.A.device.agent.id;
    await stage.B.device.agent.putList(stage.world.agencies.agents.badIdList(1n, NOW, [[id, 1]]));
    await meet();
    expect(stage.story.said).not.toContain("A host>agent TIMEOUT");
  });

  it("after B's acknowledgement a refusal in clear, which anybody could send, ends nothing", async () => {
    const refusal = Uint8Array.of(ADDRESS_AGENT, KIND_REFUSAL, REASON_BAD_ID);
    let put = 0;
    const { customer } = await meet((direction, index, message) => {
      if (direction !== B_SAYS || index < 2) return { kind: "deliver" };
      if (put++ % 2 === 0) return { kind: "replace", message: refusal };
      return { kind: "replace", message };
    });
    expect(put).toBeGreaterThan(4);
    expect(names(customer)).toContain("done");
  });

  it("steps 314-316, 310-312: A is on B's list of untrusted agents", async () => {
    const id = stage.A.device.agent.id;
    await stage.B.device.agent.putList(stage.world.agencies.agents.badIdList(1n, NOW, [[id, 1]]));
    const { customer, merchant } = await meet();
    expectRefusal(merchant, customer, REASON_BAD_ID);
  });

  it("steps 352-356, 310-312: a message of an earlier session does not have B's verification message", async () => {
    const { record, put } = replay({ direction: A_SAYS, index: 1 });
    await meet(record);
    stage.story.clear();
    const { customer, merchant } = await meet(put);
    expectRefusal(merchant, customer, REASON_BAD_SEAL);
  });
});

describe("A refuses B", () => {
  it("steps 328-334: a certificate whose signature is not genuine", async () => {
    stage.story.cheat(stage.B.agent.simulated.chip, payload(4, withBadSignature));
    const { customer, merchant } = await meet();
    expectRefusal(customer, merchant, REASON_BAD_SIGNATURE);
  });

  it("steps 328-334: a certificate that has expired", async () => {
    const late = BigInt(NOW + 6 * YEAR_SECONDS);
    for (const device of [stage.A, stage.B]) await device.device.agent.open(late);
    const { customer, merchant } = await meet();
    expectRefusal(customer, merchant, REASON_CERTIFICATE_EXPIRED);
  });

  it("steps 328-334: a certificate of somebody else's agency", async () => {
    const foreign = new AgentWorld("another agency");
    const bank = await foreign.authority("Other Bank");
    const stranger = await foreign.customer("Stranger", bank);
    const { agent, module } = stranger;
    const device = { agent, module, device: stage.watched("A", { agent, module }) };
    const { customer, merchant } = await meet(undefined, device);
    expectRefusal(customer, merchant, REASON_FOREIGN_CERTIFICATE);
  });

  it("steps 336-338, 332-334: B is on A's list of untrusted agents", async () => {
    const id = stage.B.device.agent.id;
    await stage.A.device.agent.putList(stage.world.agencies.agents.badIdList(1n, NOW, [[id, 1]]));
    const { customer, merchant } = await meet();
    expectRefusal(customer, merchant, REASON_BAD_ID);
  });

  it("steps 342, 362: dates that are further apart than clocks may be", async () => {
    const set = async (apart: number) => {
      await stage.A.device.agent.open(BigInt(NOW));
      await stage.B.device.agent.open(BigInt(NOW + apart));
    };
    await set(CLOCK_SKEW_SECONDS_MAX + 1);
    const { customer, merchant } = await meet();
    expectRefusal(customer, merchant, REASON_CLOCK_SKEW);
    stage.reset();
    await set(CLOCK_SKEW_SECONDS_MAX - 1);
    expect(names((await meet()).customer)).toContain("confirm-merchant");
  });

  it("steps 368-372, 332-334: an acknowledgement of an earlier session is not taken for B's", async () => {
    const at = { direction: B_SAYS, index: 1 } as const;
    const { record, put } = replay(at);
    await meet(record);
    const sealed: Uint8Array[] = [];
    const always: Disturbance = (direction, index, message) => {
      if (direction !== at.direction || index < at.index) return { kind: "deliver" };
      sealed.push(message.slice());
      return put(direction, at.index, message);
    };
    stage.story.clear();
    const { customer } = await meet(always);
    expect([REASON_TIMEOUT, REASON_BAD_SEAL]).toContain(noticeOf(customer, "aborted").reason);
    expect(names(customer)).not.toContain("confirm-merchant");
    expect(sealed.every((message) => equalBytes(message, sealed[0] as Uint8Array))).toBe(true);
  });
});
