/**
 * WO 96/41315 fig. 14, Establish Session between money modules, here without agents. No network server stands between
 * (steps 1468-1472 are those of a module behind one). As in fig. 8, Noise XX shows A the certificate of B first.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PROTOCOL_SPOKEN } from "../../firmware/protocol/kinds.js";
import { CLOCK_SKEW_SECONDS_MAX } from "../../firmware/protocol/limits.js";
import {
  REASON_BAD_ID,
  REASON_BAD_SEAL,
  REASON_BAD_SIGNATURE,
  REASON_CERTIFICATE_EXPIRED,
  REASON_CLOCK_SKEW,
  REASON_FOREIGN_CERTIFICATE,
  REASON_TIMEOUT,
} from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { runTransfer } from "../../host/applications/transfer.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { ReasonError } from "../../host/reasons.js";
import { parseMoney } from "../../host/units.js";
import { ModuleStage, noticesOf, QUERY_AFTER_MS } from "../support/figures-stage.js";
import { type ModuleDevice, ModuleWorld } from "../support/modules.js";
import { START_SECONDS } from "../support/virtual-time.js";

const YEAR_SECONDS = 31_536_000n;
const NOW = Number(START_SECONDS);
const MONEY = parseMoney("5.00 USD");
const DENIED = ["A module>peer PROPOSE", "A module>peer NOTE"];

let stage: ModuleStage;

beforeAll(async () => {
  stage = await ModuleStage.create("figure 14");
});
beforeEach(async () => {
  stage.reset();
  // What earlier tests waited for has passed in no chip.
  for (const { device } of [stage.A, stage.B, stage.T]) await device.module.open(START_SECONDS);
});

/** A pays B, or whoever stands in for one of them. */
async function meet(disturbance?: Disturbance, A = stage.A, B = stage.B) {
  const [near, far] = inProcessLink(disturbance);
  const receiving = receive(B.device, far);
  return stage.world.time.run(Promise.allSettled([pay(A.device, near, MONEY), receiving]));
}

function expectDenied(results: PromiseSettledResult<unknown>[], refusing: 0 | 1, reason: number): void {
  const errors = results.map((result) => (result.status === "rejected" ? result.reason : undefined));
  for (const error of errors) expect(error).toBeInstanceOf(ReasonError);
  expect(errors[refusing]).toMatchObject({ reason, byPeer: false });
  expect(errors[1 - refusing]).toMatchObject({ reason, byPeer: true });
  for (const text of DENIED) expect(stage.story.said).not.toContain(text);
}

/** A handshake's payload is led by 1 and the chain: this changes one of its items. */
function payload(items: number, at: number, value: (before: CborValue) => CborValue) {
  return (plain: readonly CborValue[]) => {
    if (plain.length !== items || plain[0] !== PROTOCOL_SPOKEN || !(plain[1] instanceof Uint8Array)) return undefined;
    return plain.map((item, index) => (index === at ? value(item) : item));
  };
}

function flippedEnd(chain: CborValue): CborValue {
  const altered = Uint8Array.from(chain as Uint8Array);
  altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
  return altered;
}

function listed(id: Uint8Array): Uint8Array {
  return stage.world.agencies.modules.badIdList(1n, NOW, [[id, 1]]);
}

/** A message of one session in the place of the same one in the next. */
async function replayed(direction: 0 | 1, index: number) {
  let kept: Uint8Array | undefined;
  await meet((way, number, message) => {
    if (way === direction && number === index) kept = message.slice();
    return { kind: "deliver" };
  });
  stage.story.clear();
  return meet((way, number) =>
    way === direction && number >= index && kept !== undefined
      ? { kind: "replace", message: kept }
      : { kind: "deliver" },
  );
}

describe("all well", () => {
  it("steps 1464-1476, 1498-1506, 1532-1538, 1554: what each message holds", async () => {
    const results = await meet();
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    const { story } = stage;
    expect(story.step("A module>peer HANDSHAKE_1").body.length).toBe(2 + 32);
    const second = story.step("B module>peer HANDSHAKE_2").layers[0]?.items;
    const third = story.step("A module>peer HANDSHAKE_3").layers[0]?.items;
    expect(second).toEqual([PROTOCOL_SPOKEN, await stage.B.element.chain(), NOW, 0]);
    expect(third).toEqual([PROTOCOL_SPOKEN, await stage.A.element.chain(), NOW, 0, null]);
    expect(story.step("B module>peer ACKNOWLEDGE").layers[0]?.items).toEqual([NOW, null, null, null]);
  });

  it("steps 1552, 1564: both note the start of the session, and no later than that anything is said of money", async () => {
    await meet();
    expect(noticesOf(stage.story, "A")[0]).toEqual({ name: "SESSION", items: [stage.B.element.id, 17] });
    expect(noticesOf(stage.story, "B")[0]).toEqual({ name: "SESSION", items: [stage.A.element.id, 17] });
    const places = stage.story.places(
      "A module>peer HANDSHAKE_3",
      "B module>peer ACKNOWLEDGE",
      "A module>peer PROPOSE",
    );
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it("steps 1534, 1548: a fresh key for each direction of each session", async () => {
    const keys: (string | undefined)[] = [];
    for (let session = 0; session < 2; session += 1) {
      await meet();
      keys.push(stage.story.step("A module>peer PROPOSE").layers[0]?.key);
      keys.push(stage.story.step("B module>peer ACKNOWLEDGE").layers[0]?.key);
      stage.story.clear();
    }
    expect(new Set(keys).size).toBe(4);
  });
});

describe("B refuses A", () => {
  it("steps 1480-1488: the certificate is not valid: the session is terminated, subscribers are told", async () => {
    stage.story.cheat(stage.A.simulated.chip, payload(5, 1, flippedEnd));
    expectDenied(await meet(), 1, REASON_BAD_SIGNATURE);
    expect(noticesOf(stage.story, "B").at(-1)).toEqual({ name: "ABORTED", items: [REASON_BAD_SIGNATURE, false, null] });
  });

  it("steps 1490-1492: a teller informs its bank", async () => {
    stage.story.cheat(stage.A.simulated.chip, payload(5, 1, flippedEnd));
    const [near, far] = inProcessLink();
    const { T, A, world } = stage;
    const serving = T.device.converse(far, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      return runTransfer(T.device, conversation, {});
    });
    const paying = deposit(A.device, { connect: () => Promise.resolve(near) }, "account", MONEY);
    expectDenied(await world.time.run(Promise.allSettled([paying, serving])), 1, REASON_BAD_SIGNATURE);
    expect(noticesOf(stage.story, "T")).toEqual([{ name: "ABORTED", items: [REASON_BAD_SIGNATURE, false, null] }]);
  });

  it("steps 1494-1496: A is on the list of bad ids", async () => {
    await stage.B.element.putList(listed(stage.A.element.id));
    expectDenied(await meet(), 1, REASON_BAD_ID);
  });

  it("steps 1540-1546: the B verification message is that of another session", async () => {
    expectDenied(await replayed(0, 1), 1, REASON_BAD_SEAL);
  });

  it("step 1550: A's time and date are out of range of B's", async () => {
    const late = NOW + CLOCK_SKEW_SECONDS_MAX + 1;
    stage.story.cheat(
      stage.A.simulated.chip,
      payload(5, 2, () => late),
    );
    expectDenied(await meet(), 1, REASON_CLOCK_SKEW);
  });
});

describe("A refuses B", () => {
  it("steps 1508-1522: the certificate is not valid", async () => {
    stage.story.cheat(stage.B.simulated.chip, payload(4, 1, flippedEnd));
    expectDenied(await meet(), 0, REASON_BAD_SIGNATURE);
    expect(noticesOf(stage.story, "A").at(-1)).toEqual({ name: "ABORTED", items: [REASON_BAD_SIGNATURE, false, null] });
  });

  it("steps 1508-1522: it is of another agency", async () => {
    const foreign = await new ModuleWorld("another agency").module("B");
    const { time } = stage.world;
    const parts = { name: "B", module: foreign.element, clock: time, timers: time, queryAfter_ms: QUERY_AFTER_MS };
    const device = new Device({ ...parts, recorder: stage.story.recorder("B") });
    const stranger: ModuleDevice = { ...foreign, device };
    stage.story.watch(foreign.simulated.chip);
    expectDenied(await meet(undefined, stage.A, stranger), 0, REASON_FOREIGN_CERTIFICATE);
  });

  it("steps 1524-1526: B is on the list of bad ids", async () => {
    await stage.A.element.putList(listed(stage.B.element.id));
    expectDenied(await meet(), 0, REASON_BAD_ID);
  });

  it.each([1, -1])("steps 1528-1530: B's time and date are out of range (%i), and in range", async (sign) => {
    const apart = BigInt(sign * (CLOCK_SKEW_SECONDS_MAX + 1));
    // Below the floor no host can set a clock: A is the one that is moved then.
    if (sign > 0) await stage.B.device.module.open(START_SECONDS + apart);
    else await stage.A.device.module.open(START_SECONDS - apart);
    expectDenied(await meet(), 0, REASON_CLOCK_SKEW);
    stage.reset();
    await stage.A.device.module.open(START_SECONDS);
    await stage.B.device.module.open(START_SECONDS + BigInt(CLOCK_SKEW_SECONDS_MAX - 10));
    expect((await meet()).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
  });

  it("steps 1558-1562: the A verification message is that of another session", async () => {
    const [paid] = await replayed(1, 1);
    const reason = paid?.status === "rejected" ? (paid.reason as ReasonError).reason : undefined;
    expect([REASON_TIMEOUT, REASON_BAD_SEAL]).toContain(reason);
    for (const text of DENIED) expect(stage.story.said).not.toContain(text);
  });
});

it("steps 1508-1522: the certificate has expired", async () => {
  // A says that it would pay what B asks: its notes have expired as well, so that it could promise no amount.
  for (const { device } of [stage.A, stage.B]) await device.module.open(START_SECONDS + 6n * YEAR_SECONDS);
  const [near, far] = inProcessLink();
  const { A, B } = stage;
  const receiving = receive(B.device, far);
  const asking = A.device.converse(near, "module", async (conversation) => {
    await conversation.command(command.payRequested());
    return runTransfer(A.device, conversation, {});
  });
  const results = await stage.world.time.run(Promise.allSettled([asking, receiving]));
  expectDenied(results, 0, REASON_CERTIFICATE_EXPIRED);
});
