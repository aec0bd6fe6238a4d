/**
 * Spending limits (docs/PROTOCOLS.md, section 5): the owner says with the PIN how much of a unit may leave the module in one payment
 * and on one day; the module goes by it, whatever its host wants, and counts in the write that commits.
 */

import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { LIMIT_UNITS_MAX, PIN_TRIES } from "../../firmware/protocol/limits.js";
import { MODULE_ABORT, OUTCOME_ABORTED, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import {
  REASON_DECLINED,
  REASON_LIMIT,
  REASON_STORE_FAILURE,
  REASON_WRONG_AMOUNT,
} from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { memoBytes, runTransfer, type Transfer, type TransferHandlers } from "../../host/applications/transfer.js";
import { REFRESH_MEMO, withdraw } from "../../host/applications/withdraw.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { SpendingLimit } from "../../host/element-data.js";
import { ReasonError } from "../../host/reasons.js";
import { parseMoney } from "../../host/units.js";
import type { OperationHook } from "../../simulator/faults.js";
import { type AgentDevice, AgentWorld } from "../support/agents.js";
import { abortReason, CheatingModule, CheatingSession, deliver } from "../support/cheating-module.js";
import { MESSAGE_FAULTS } from "../support/faults.js";
import { bank, type Ends, FaultStage, judgeWords, type ScenarioName, serve } from "../support/faults-scenarios.js";
import { Economy } from "../support/figures-economy.js";
import { issue, type ModuleDevice, PIN, PUK, transfer } from "../support/modules.js";
import { balance, names, noticeOf, outcomes, trade } from "../support/purchase.js";
import { generator as numbers, TEARS, tornFate } from "../support/store-driver.js";
import { START_SECONDS } from "../support/virtual-time.js";

const USD = { currency: 840, exponent: 2 };
const EUR = { currency: 978, exponent: 2 };
const DAY_SECONDS = 86_400;
const DAY_MS = DAY_SECONDS * 1000;
const NOW = Number(START_SECONDS);
const MIDNIGHT_MS = (DAY_SECONDS - (NOW % DAY_SECONDS)) * 1000;
/** What the scenarios of the fault stage pay. */
const AMOUNT = 7_200n;
const WORD_BYTES = 4;
const OTHER_PIN = "4321";

vi.setConfig({ testTimeout: 120_000 });

const limit = (payment: bigint, day: bigint, unit = USD): SpendingLimit => ({ unit, payment, day });

let stage: FaultStage;
let alice: ModuleDevice;
let bob: ModuleDevice;
let teller: ModuleDevice;
let ends: Ends;

beforeAll(async () => {
  stage = await FaultStage.create("spending limits");
});

async function begin(name: ScenarioName = "payment"): Promise<void> {
  ends = stage.reset(name);
  alice = stage.module("alice");
  bob = stage.module("bob");
  teller = stage.module("teller");
  for (const { device } of [alice, bob, teller]) await device.unlock(PIN);
}

beforeEach(() => begin());

async function spent(module = alice, unit = USD): Promise<bigint | undefined> {
  const all = await module.element.limits();
  return all.find((each) => each.unit.currency === unit.currency && each.unit.exponent === unit.exponent)?.spentToday;
}

async function reasonOf(work: Promise<unknown>): Promise<number | undefined> {
  const error = await work.then(
    () => undefined,
    (refusal: unknown) => refusal,
  );
  if (error === undefined || error instanceof ReasonError) return error?.reason;
  throw error;
}

const paying = (text: string, from = alice, to = bob) => reasonOf(transfer(from, to, text));

describe("a payment", () => {
  test("of the limit goes, of a cent more does not, and leaves the store as it was", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const digests = async () => [await alice.element.digest(), await bob.element.digest()];
    const before = await digests();
    expect(await paying("10.01 USD")).toBe(REASON_LIMIT);
    expect(await digests()).toEqual(before);
    expect(await paying("10.00 USD")).toBeUndefined();
    expect(await paying("10.00 USD")).toBeUndefined();
    expect(await alice.element.limits()).toEqual([{ ...limit(1_000n, 0n), spentToday: 2_000n }]);
  });

  test("the payments of a day add up; the reason is told to both", async () => {
    await alice.element.setLimit(PIN, limit(0n, 3_000n));
    expect(await paying("20.00 USD")).toBeUndefined();
    expect(await paying("10.01 USD")).toBe(REASON_LIMIT);
    const [a, b] = inProcessLink();
    const receiving = receive(bob.device, b);
    const [paid, received] = await Promise.allSettled([pay(alice.device, a, parseMoney("10.01 USD")), receiving]);
    expect(paid).toMatchObject({ reason: { reason: REASON_LIMIT, byPeer: false } });
    expect(received).toMatchObject({ reason: { reason: REASON_LIMIT, byPeer: true } });
    expect(await paying("10.00 USD")).toBeUndefined();
    expect(await paying("0.01 USD")).toBe(REASON_LIMIT);
    expect(await spent()).toBe(3_000n);
  });

  test("the peer hears of no amount that is above the limit", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const cheat = new CheatingModule({
      agency: stage.world.agencies.modules,
      random: stage.world.random,
      now_seconds: NOW,
    });
    const session = new CheatingSession(cheat, alice.element, false);
    const asked = await deliver(alice.element, command.pay(parseMoney("10.01 USD"), null));
    const reply = await session.respond(asked);
    expect(abortReason(reply)).toBe(REASON_LIMIT);
    expect(session.heard(reply).map(([number]) => number)).toEqual([MODULE_ABORT]);
  });

  test("at a point of sale: what the payee states, whether the payer named it before or not", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 1_500n));
    const sell = async (text: string, buy: (link: PeerLink) => Promise<Transfer>) => {
      const [a, b] = inProcessLink();
      const asking = request(bob.device, b, parseMoney(text));
      const [paid] = await Promise.allSettled([buy(a), asking]);
      return paid.status === "fulfilled" ? undefined : (paid.reason as ReasonError).reason;
    };
    const agreed = (link: PeerLink) => payRequested(alice.device, link, () => true);
    const named = (text: string) => (link: PeerLink) => pay(alice.device, link, parseMoney(text));
    expect(await sell("10.01 USD", agreed)).toBe(REASON_LIMIT);
    expect(await sell("10.01 USD", named("10.01 USD"))).toBe(REASON_LIMIT);
    expect(await sell("10.00 USD", agreed)).toBeUndefined();
    expect(await sell("5.01 USD", named("5.01 USD"))).toBe(REASON_LIMIT);
    expect(await sell("5.00 USD", named("5.00 USD"))).toBeUndefined();
    expect(await spent()).toBe(1_500n);
  });

  test("a new amount, after the payee refused the first", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const twice = async (second: string) => {
      const [a, b] = inProcessLink();
      let prompts = 0;
      const receiving = receive(bob.device, b, () => {
        prompts += 1;
        return prompts > 1 ? true : REASON_WRONG_AMOUNT;
      });
      const options = { newAmount: () => parseMoney(second) };
      const [paid] = await Promise.allSettled([pay(alice.device, a, parseMoney("1.00 USD"), options), receiving]);
      return paid.status === "fulfilled" ? undefined : (paid.reason as ReasonError).reason;
    };
    expect(await twice("10.01 USD")).toBe(REASON_LIMIT);
    expect(await twice("9.00 USD")).toBeUndefined();
    expect(await spent()).toBe(900n);
  });

  test("what comes in does not count, though its memo be anything", async () => {
    await alice.element.setLimit(PIN, limit(1n, 1n));
    await issue(teller, alice, "20.00 USD");
    for (const memo of ["account", REFRESH_MEMO]) {
      const [a, b] = inProcessLink();
      await Promise.all([withdraw(alice.device, bank(a), memo, parseMoney("20.00 USD")), serve(teller.device, b)]);
    }
    await transfer(alice, bob, "0.01 USD");
    await transfer(bob, alice, "0.01 USD");
    expect(await spent()).toBe(1n);
    expect(await paying("0.02 USD")).toBe(REASON_LIMIT);
  });

  test("what is declined or called off costs nothing", async () => {
    await alice.element.setLimit(PIN, limit(0n, 2_000n));
    for (const refuse of [REASON_DECLINED, REASON_WRONG_AMOUNT]) {
      const [a, b] = inProcessLink();
      const receiving = receive(bob.device, b, () => refuse);
      await Promise.allSettled([pay(alice.device, a, parseMoney("20.00 USD")), receiving]);
    }
    expect(await spent()).toBe(0n);
    expect(await paying("20.00 USD")).toBeUndefined();
    expect(await spent()).toBe(2_000n);
  });
});

describe("to the bank's teller", () => {
  const others = ["account", "@refres", "@refresH", "@refresh ", "@refresh/", "refresh", "@", ""];

  /** Alice pays the teller, or somebody else: why it failed, if it did. */
  async function giving(pays: (link: PeerLink) => Promise<Transfer>, to = teller, handlers?: TransferHandlers) {
    const [a, b] = inProcessLink();
    const listen = to.device.converse(b, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      return runTransfer(to.device, conversation, handlers ?? { verify: () => true });
    });
    const [paid] = await Promise.allSettled([pays(a), listen]);
    return reasonOf(paid.status === "fulfilled" ? Promise.resolve() : Promise.reject(paid.reason));
  }

  const depositing = (memo: string, text: string) => (link: PeerLink) =>
    deposit(alice.device, bank(link), memo, parseMoney(text));

  /** The notes that alice holds first, whole. */
  const bringing = (memo: string, count: number) => (link: PeerLink) =>
    alice.device.converse(link, "module", async (conversation) => {
      const places = (await alice.element.notes()).slice(0, count).map(({ place }) => place);
      await conversation.command(command.payNotes(places, memoBytes(memo)));
      return runTransfer(alice.device, conversation, {});
    });

  const worth = async (count: number) =>
    (await alice.element.notes()).slice(0, count).reduce((sum, { money }) => sum + money.amount, 0n);

  test("a deposit counts, at once and for the day: the account may be anybody's", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 1_500n));
    const before = await alice.element.digest();
    for (const memo of others) expect(await giving(depositing(memo, "10.01 USD")), memo).toBe(REASON_LIMIT);
    expect(await alice.element.digest()).toEqual(before);
    expect(await giving(depositing("account", "10.00 USD"))).toBeUndefined();
    expect(await spent()).toBe(1_000n);
    for (const memo of others) expect(await giving(depositing(memo, "5.01 USD")), memo).toBe(REASON_LIMIT);
    expect(await paying("5.01 USD")).toBe(REASON_LIMIT);
    expect(await giving(depositing("account", "5.00 USD"))).toBeUndefined();
    expect(await spent()).toBe(1_500n);
  });

  test("named notes count, and nothing of them is proposed above the limit", async () => {
    const [one, two] = [await worth(1), await worth(2)];
    await alice.element.setLimit(PIN, limit(two - 1n, one));
    const before = await alice.element.digest();
    let prompts = 0;
    const handlers = {
      verify: () => {
        prompts += 1;
        return true;
      },
    };
    for (const memo of others) expect(await giving(bringing(memo, 2), teller, handlers), memo).toBe(REASON_LIMIT);
    expect([prompts, await alice.element.digest()]).toEqual([0, before]);
    expect(await giving(bringing("account", 1), teller, handlers)).toBeUndefined();
    expect([prompts, await spent()]).toEqual([1, one]);
    for (const memo of others) expect(await giving(bringing(memo, 1)), memo).toBe(REASON_LIMIT);
  });

  test("what is refreshed does not count, by either command: the bank owes it to this module alone", async () => {
    expect(REFRESH_MEMO).toBe("@refresh");
    await alice.element.setLimit(PIN, limit(1n, 1n));
    expect(await giving(bringing(REFRESH_MEMO, 2))).toBeUndefined();
    expect(await giving(depositing(REFRESH_MEMO, "10.00 USD"))).toBeUndefined();
    expect(await spent()).toBe(0n);
    expect(await paying("0.01 USD")).toBeUndefined();
    // With nothing left of the limit too.
    expect(await giving(bringing(REFRESH_MEMO, 1))).toBeUndefined();
    expect(await spent()).toBe(1n);
  });

  test("to anybody else that memo is a memo", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const given = (text: string) => (link: PeerLink) =>
      pay(alice.device, link, parseMoney(text), { memo: REFRESH_MEMO });
    expect(await giving(given("10.01 USD"), bob)).toBe(REASON_LIMIT);
    expect(await giving(given("10.00 USD"), bob)).toBeUndefined();
    expect(await spent()).toBe(1_000n);
  });

  test("what a teller states as the payee counts, whatever it says of it and whatever was said before", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 2_000n));
    const sell = async (text: string, buy: (link: PeerLink) => Promise<Transfer>) => {
      const [a, b] = inProcessLink();
      const asking = request(teller.device, b, parseMoney(text), REFRESH_MEMO);
      const [paid] = await Promise.allSettled([buy(a), asking]);
      return paid.status === "fulfilled" ? undefined : (paid.reason as ReasonError).reason;
    };
    const agreed = (link: PeerLink) => payRequested(alice.device, link, () => true);
    for (const buy of [agreed, depositing(REFRESH_MEMO, "10.01 USD")])
      expect(await sell("10.01 USD", buy)).toBe(REASON_LIMIT);
    expect(await sell("10.00 USD", agreed)).toBeUndefined();
    expect(await sell("10.00 USD", depositing(REFRESH_MEMO, "10.00 USD"))).toBeUndefined();
    expect(await spent()).toBe(2_000n);
  });

  test("a limit that the owner sets while the teller is asked holds for the offer", async () => {
    const handlers = {
      verify: async () => {
        await alice.element.setLimit(PIN, limit(1n, 1n));
        return true;
      },
    };
    for (const pays of [depositing("account", "10.00 USD"), bringing("account", 1)]) {
      await alice.element.setLimit(PIN, limit(0n, 0n));
      expect(await giving(pays, teller, handlers)).toBe(REASON_LIMIT);
    }
    for (const pays of [depositing(REFRESH_MEMO, "10.00 USD"), bringing(REFRESH_MEMO, 1)]) {
      expect(await giving(pays, teller, handlers)).toBeUndefined();
    }
    expect(await spent()).toBe(0n);
  });
});

describe("units", () => {
  test("each has its own limits, the same currency in other pieces too; one without has none", async () => {
    const mills = { currency: 840, exponent: 3 };
    await alice.element.setLimit(PIN, limit(1n, 1n, EUR));
    await alice.element.setLimit(PIN, limit(2n, 2n, mills));
    expect(await paying("20.00 USD")).toBeUndefined();
    await alice.element.setLimit(PIN, limit(500n, 0n));
    expect(await paying("5.01 USD")).toBe(REASON_LIMIT);
    expect(await paying("5.00 USD")).toBeUndefined();
    expect(await alice.element.limits()).toEqual([
      { ...limit(1n, 1n, EUR), spentToday: 0n },
      { ...limit(2n, 2n, mills), spentToday: 0n },
      { ...limit(500n, 0n), spentToday: 500n },
    ]);
  });

  test("as many as there is room for; one that is removed makes room, and takes its count with it", async () => {
    const units = Array.from({ length: LIMIT_UNITS_MAX }, (_, at) => ({ currency: 840 + at, exponent: 2 }));
    for (const unit of units) await alice.element.setLimit(PIN, limit(5_000n, 5_000n, unit));
    expect(await paying("50.00 USD")).toBeUndefined();
    const digest = await alice.element.digest();
    const tooMany = alice.element.setLimit(PIN, limit(1n, 1n, EUR));
    await expect(tooMany).rejects.toMatchObject({ status: p.SW_NOT_ENOUGH_SPACE });
    // To remove what is not there changes nothing, and needs no room.
    await alice.element.setLimit(PIN, limit(0n, 0n, EUR));
    expect(await alice.element.digest()).toEqual(digest);
    await alice.element.setLimit(PIN, limit(0n, 0n));
    await alice.element.setLimit(PIN, limit(7n, 8n, EUR));
    expect((await alice.element.limits()).map(({ unit }) => unit.currency)).toEqual([978, 841, 842, 843]);
    expect(await paying("20.00 USD")).toBeUndefined();
    await alice.element.setLimit(PIN, limit(0n, 0n, EUR));
    await alice.element.setLimit(PIN, limit(5_000n, 5_000n));
    expect(await spent()).toBe(0n);
  });

  test("a limit that is changed keeps what was spent", async () => {
    await alice.element.setLimit(PIN, limit(0n, 3_000n));
    expect(await paying("20.00 USD")).toBeUndefined();
    await alice.element.setLimit(PIN, limit(0n, 1_000n));
    expect(await paying("0.01 USD")).toBe(REASON_LIMIT);
    await alice.element.setLimit(PIN, limit(500n, 2_500n));
    expect(await paying("5.01 USD")).toBe(REASON_LIMIT);
    expect(await paying("5.00 USD")).toBeUndefined();
    expect(await paying("0.01 USD")).toBe(REASON_LIMIT);
    await alice.element.restart();
    await alice.device.unlock(PIN);
    expect(await alice.element.limits()).toEqual([{ ...limit(500n, 2_500n), spentToday: 2_500n }]);
  });

  test("the most that can be said is no limit that overflows", async () => {
    const most = 2n ** 63n - 1n;
    await alice.element.setLimit(PIN, limit(most, most));
    expect(await paying("85.00 USD")).toBeUndefined();
    expect(await spent()).toBe(8_500n);
    await expect(alice.element.setLimit(PIN, limit(most + 1n, 0n))).rejects.toThrow(RangeError);
  });
});

describe("days", () => {
  const advance = (ms: number) => stage.world.time.clock.advance(ms);

  test("the count starts anew at midnight UTC, and not a second before", async () => {
    await alice.element.setLimit(PIN, limit(0n, 2_000n));
    const started = stage.world.time.clock.nowMs();
    expect(await paying("20.00 USD")).toBeUndefined();
    const now = Number((await alice.element.counters()).now_seconds);
    await advance((DAY_SECONDS - (now % DAY_SECONDS)) * 1000 - 1000);
    expect([await spent(), await paying("0.01 USD")]).toEqual([2_000n, REASON_LIMIT]);
    await advance(1000);
    expect([await spent(), await paying("20.00 USD")]).toEqual([0n, undefined]);
    expect([await spent(), await paying("0.01 USD")]).toEqual([2_000n, REASON_LIMIT]);
    await advance(3 * DAY_MS);
    expect([await spent(), await paying("0.01 USD")]).toEqual([0n, undefined]);
    expect(stage.world.time.clock.nowMs()).toBeGreaterThan(started + MIDNIGHT_MS);
  });

  /** Both ends are told another date; they have been off between, if the host wants. */
  async function tell(seconds: bigint, isRestarted: boolean): Promise<void> {
    for (const { element } of [alice, bob]) {
      if (isRestarted) {
        await element.restart();
        await element.verifyPin(PIN);
      }
      await element.open(seconds);
    }
  }

  test.each([false, true])("an earlier date does not start one again (power off between: %s)", async (isRestarted) => {
    await alice.element.setLimit(PIN, limit(0n, 2_000n));
    const now = (await alice.element.counters()).now_seconds;
    expect(await paying("15.00 USD")).toBeUndefined();
    await tell(now - BigInt(DAY_SECONDS), isRestarted);
    expect([await spent(), await paying("5.01 USD")]).toEqual([1_500n, REASON_LIMIT]);
    expect(await paying("5.00 USD")).toBeUndefined();
    // What was paid under the earlier date counts for the later one.
    await tell(now, true);
    expect([await spent(), await paying("0.01 USD")]).toEqual([2_000n, REASON_LIMIT]);
  });

  test("a host that tells one date after the other starts no new day; only the chip's tick does, or the PIN", async () => {
    await alice.element.setLimit(PIN, limit(0n, 1_000n));
    const now = (await alice.element.counters()).now_seconds;
    expect(await paying("10.00 USD")).toBeUndefined();
    for (let days = 1n; days < 4n; days += 1n) {
      await tell(now + days * BigInt(DAY_SECONDS), false);
      expect([await spent(), await paying("0.01 USD")]).toEqual([1_000n, REASON_LIMIT]);
    }
    await advance(DAY_MS);
    expect(await paying("10.00 USD")).toBeUndefined();
    await tell(now + 9n * BigInt(DAY_SECONDS), false);
    expect(await paying("0.01 USD")).toBe(REASON_LIMIT);
    await tell(now + 9n * BigInt(DAY_SECONDS), true);
    expect([await spent(), await paying("10.00 USD")]).toEqual([0n, undefined]);
  });
});

describe("the PIN", () => {
  const status = async (work: Promise<void>) =>
    work.then(
      () => p.SW_OK,
      (error: { status: number }) => error.status,
    );
  const tries = async () => (await alice.element.counters()).pinTries;

  test("is asked for each time, verified or not; a wrong one costs a try, and what was verified", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const before = await alice.element.limits();
    expect(await status(alice.element.setLimit(OTHER_PIN, limit(0n, 0n)))).toBe(p.SW_WARNING_TRIES | (PIN_TRIES - 1));
    expect(await tries()).toBe(PIN_TRIES - 1);
    await expect(alice.element.limits()).rejects.toMatchObject({ status: p.SW_SECURITY_STATUS });
    await alice.element.verifyPin(PIN);
    expect(await alice.element.limits()).toEqual(before);
    // On a chip whose PIN nobody has verified it is enough by itself.
    await alice.element.restart();
    expect(await status(alice.element.setLimit(PIN, limit(2_000n, 0n)))).toBe(p.SW_OK);
    expect((await alice.element.limits())[0]?.payment).toBe(2_000n);
    expect(await tries()).toBe(PIN_TRIES);
  });

  test("has no more tries here than anywhere else", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    for (let left = PIN_TRIES - 1; left >= 0; left -= 1) {
      const expected = left === 0 ? p.SW_BLOCKED : p.SW_WARNING_TRIES | left;
      expect(await status(alice.element.setLimit(OTHER_PIN, limit(0n, 0n)))).toBe(expected);
    }
    expect(await status(alice.element.setLimit(PIN, limit(0n, 0n)))).toBe(p.SW_BLOCKED);
    await alice.element.unblockPin(PUK, PIN);
    await alice.element.verifyPin(PIN);
    expect((await alice.element.limits())[0]?.payment).toBe(1_000n);
  });

  test("a power cut while it is set: the old limit or the new one, and a try lost at most", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 0n));
    const image = alice.simulated.snapshot();
    for (let at = 0; ; at += 1) {
      let hasStruck = false;
      for (const tear of TEARS) {
        alice.simulated.restore(image);
        let left = at;
        const next = numbers(at + 7);
        const hook: OperationHook = (operation) => {
          if (left-- !== 0) return undefined;
          hasStruck = true;
          return tornFate(tear, operation, next, WORD_BYTES);
        };
        alice.simulated.chip.onOperation = hook;
        await alice.element.setLimit(PIN, limit(2_000n, 3_000n)).catch(() => undefined);
        alice.simulated.chip.onOperation = undefined;
        await alice.element.restart();
        expect(await tries()).toBeGreaterThanOrEqual(PIN_TRIES - 1);
        await alice.element.verifyPin(PIN);
        expect([
          [{ ...limit(1_000n, 0n), spentToday: 0n }],
          [{ ...limit(2_000n, 3_000n), spentToday: 0n }],
        ]).toContainEqual(await alice.element.limits());
      }
      if (!hasStruck) break;
    }
  });
});

describe("bad input", () => {
  const put = async (data: Uint8Array, element = alice.element) =>
    (await element.client.exchange({ cla: 0, ins: p.INS_PUT_DATA, p1: 1, p2: 2, data })).status;
  const digits = (pin: string) => Uint8Array.of(pin.length, ...new TextEncoder().encode(pin));
  const terms = (currency: number, exponent: number, payment: bigint, day: bigint) => {
    const bytes = new Uint8Array(19);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, currency);
    view.setUint8(2, exponent);
    view.setBigUint64(3, payment);
    view.setBigUint64(11, day);
    return bytes;
  };
  const good = terms(840, 2, 1n, 2n);

  test("costs no try and changes nothing", async () => {
    const digest = await alice.element.digest();
    const wrong: readonly (readonly [string, Uint8Array, number])[] = [
      ["nothing", new Uint8Array(0), p.SW_WRONG_LENGTH],
      ["no PIN", concatBytes(Uint8Array.of(0), good), p.SW_WRONG_LENGTH],
      ["a PIN and nothing", digits(PIN), p.SW_WRONG_LENGTH],
      ["too short", concatBytes(digits(PIN), good.subarray(1)), p.SW_WRONG_LENGTH],
      ["too long", concatBytes(digits(PIN), good, Uint8Array.of(0)), p.SW_WRONG_LENGTH],
      ["a PIN of 13 digits", concatBytes(digits("1234567890123"), good), p.SW_WRONG_LENGTH],
      ["a PIN of 255 digits", concatBytes(Uint8Array.of(255), new Uint8Array(255), good), p.SW_WRONG_LENGTH],
      ["a PIN that is longer than the command", concatBytes(Uint8Array.of(255), good), p.SW_WRONG_LENGTH],
      ["no currency", concatBytes(digits(PIN), terms(0, 2, 1n, 2n)), p.SW_WRONG_DATA],
      ["an unknown currency", concatBytes(digits(PIN), terms(1000, 2, 1n, 2n)), p.SW_WRONG_DATA],
      ["an unknown exponent", concatBytes(digits(PIN), terms(840, 10, 1n, 2n)), p.SW_WRONG_DATA],
      ["2^63 a payment", concatBytes(digits(PIN), terms(840, 2, 2n ** 63n, 2n)), p.SW_WRONG_DATA],
      ["2^64 - 1 a day", concatBytes(digits(PIN), terms(840, 2, 1n, 2n ** 64n - 1n)), p.SW_WRONG_DATA],
    ];
    for (const [name, data, status] of wrong) expect(await put(data), name).toBe(status);
    expect(await alice.element.digest()).toEqual(digest);
    expect((await alice.element.counters()).pinTries).toBe(PIN_TRIES);
    expect(await put(concatBytes(digits(PIN), good))).toBe(p.SW_OK);
  });

  test("any bytes: a status word, and limits as they were", async () => {
    await alice.element.setLimit(PIN, limit(1_000n, 2_000n));
    const image = alice.simulated.snapshot();
    const digest = await alice.element.digest();
    const order = fc
      .tuple(fc.uint8Array({ minLength: 0, maxLength: 12 }), fc.uint8Array({ minLength: 17, maxLength: 21 }))
      .map(([pin, rest]) => Uint8Array.of(pin.length, ...pin, ...rest));
    const known = [p.SW_WRONG_LENGTH, p.SW_WRONG_DATA, p.SW_WARNING_TRIES | (PIN_TRIES - 1)];
    await fc.assert(
      fc.asyncProperty(fc.oneof(order, fc.uint8Array({ maxLength: 64 })), async (data) => {
        alice.simulated.restore(image);
        const status = await put(data);
        expect(known).toContain(status);
        await alice.element.verifyPin(PIN);
        expect(await alice.element.digest()).toEqual(digest);
      }),
      { numRuns: 200 },
    );
  });

  test("other modules have none; other tags are not known", async () => {
    const data = concatBytes(digits(PIN), good);
    const generator = await stage.world.module("another generator", ROLE_GENERATOR);
    for (const { element } of [teller, generator]) {
      expect(await put(data, element)).toBe(p.SW_FUNCTION_UNSUPPORTED);
      await expect(element.limits()).rejects.toMatchObject({ status: p.SW_REFERENCED_DATA_NOT_FOUND });
    }
    const other = { cla: 0, ins: p.INS_PUT_DATA, p1: 1, p2: 3, data };
    expect((await alice.element.client.exchange(other)).status).toBe(p.SW_REFERENCED_DATA_NOT_FOUND);
  });

  test("a limit that cannot be read lets nothing out", async () => {
    await alice.element.setLimit(PIN, limit(7_777n, 8_888n));
    // [version | exponent | currency | most a payment...]; bits of the amount go, as with age.
    const region = Reflect.get(alice.simulated.chip.flash, "region") as Uint8Array;
    const start = Uint8Array.of(1, 2, 0x48, 0x03, 0x61, 0x1e);
    const at = region.findIndex((_, index) => start.every((byte, offset) => region[index + offset] === byte));
    expect(at).toBeGreaterThan(0);
    region[at + 4] = 0;
    expect(await paying("0.01 USD")).toBe(REASON_STORE_FAILURE);
    await expect(alice.element.limits()).rejects.toMatchObject({ status: p.SW_MEMORY_FAILURE });
  });
});

describe("through faults", () => {
  /** One run under a limit that the payment just fits in: it counts if it stands, and not if it does not. A refresh never does. */
  async function run(
    name: ScenarioName,
    strike: Parameters<FaultStage["link"]>[0],
    hook?: OperationHook,
  ): Promise<boolean> {
    await begin(name);
    const isCounted = name !== "refresh";
    const most = isCounted ? AMOUNT : 1n;
    await alice.element.setLimit(PIN, limit(most, most));
    const before = await stage.before(ends);
    if (hook !== undefined) alice.simulated.chip.onOperation = hook;
    const results = await stage.run(name, ends, stage.link(strike));
    await stage.restart(ends);
    await stage.meet(ends);
    const isCommitted = await stage.judge(ends, before);
    judgeWords(results, isCommitted);
    expect(await spent()).toBe(isCommitted && isCounted ? AMOUNT : 0n);
    // What is left of the day is what the count says.
    expect(await paying("0.01 USD")).toBe(isCommitted && isCounted ? REASON_LIMIT : undefined);
    return isCommitted;
  }

  test.each(["payment", "point of sale", "deposit", "refresh"] as const)(
    "power is cut at each operation of the payer: %s",
    async (name) => {
      const seen = new Set<boolean>();
      for (let at = 0; ; at += 1) {
        let hasStruck = false;
        for (const [index, tear] of TEARS.entries()) {
          let left = at;
          const next = numbers(at * 31 + index);
          seen.add(
            await run(name, undefined, (operation) => {
              if (left-- !== 0) return undefined;
              hasStruck = true;
              return tornFate(tear, operation, next, WORD_BYTES);
            }),
          );
        }
        if (!hasStruck) break;
      }
      expect([...seen].sort()).toEqual([false, true]);
    },
  );

  test("messages are lost, repeated, altered, late", async () => {
    await begin("payment");
    const clean = stage.link();
    await stage.run("payment", ends, clean);
    for (const direction of [0, 1] as const) {
      for (let index = 0; index < clean.sent[direction]; index += 1) {
        for (const fault of MESSAGE_FAULTS) await run("payment", { direction, index, fault });
      }
    }
  });
});

describe("with agents", () => {
  let world: AgentWorld;
  let customer: AgentDevice;
  let merchant: AgentDevice;
  beforeAll(async () => {
    world = new AgentWorld("limits with agents");
    const [registry, bankAuthority] = [await world.authority("Registry"), await world.authority("First Bank")];
    merchant = await world.merchant("Corner Shop", registry);
    customer = await world.customer("Alice", bankAuthority);
    await world.fund([merchant, "USD 100.00"], [customer, "USD 100.00"]);
  });

  async function refused(type: number, money: string) {
    const before = [await balance(customer), await balance(merchant)];
    const result = await trade(world, customer, merchant, { type, money });
    expect(noticeOf(result.customer, "aborted").reason).toBe(REASON_LIMIT);
    expect(noticeOf(result.merchant, "aborted").reason).toBe(REASON_LIMIT);
    expect([await balance(customer), await balance(merchant)]).toEqual(before);
    for (const { notices } of [result.customer, result.merchant]) {
      for (const outcome of outcomes(world, notices)) expect(outcome.outcome).toBe(OUTCOME_ABORTED);
    }
    for (const { device } of [customer, merchant]) expect(await device.module.pending()).toEqual([]);
    return result;
  }

  test("a sale: the customer's module pays", async () => {
    await customer.device.module.setLimit("1234", limit(0n, 1_500n));
    await refused(TYPE_SALE, "USD 15.01");
    const sold = await trade(world, customer, merchant, { type: TYPE_SALE, money: "USD 10.00" });
    expect(names(sold.customer).at(-1)).toBe("done");
    expect((await customer.device.module.limits())[0]?.spentToday).toBe(1_000n);
    await refused(TYPE_SALE, "USD 5.01");
    // What it buys does not count.
    const bought = await trade(world, customer, merchant, { type: TYPE_PURCHASE, money: "USD 20.00" });
    expect(names(bought.customer).at(-1)).toBe("done");
    expect((await customer.device.module.limits())[0]?.spentToday).toBe(1_000n);
  });

  test("a purchase: the merchant's module pays; above its limit nobody looks for money, and no card is asked for", async () => {
    await merchant.device.module.setLimit("1234", limit(1_000n, 0n));
    const { merchant: side } = await refused(TYPE_PURCHASE, "USD 10.01");
    expect(names(side)).toEqual(["session", "aborted"]);
    const bought = await trade(world, customer, merchant, { type: TYPE_PURCHASE, money: "USD 10.00" });
    expect(names(bought.customer).at(-1)).toBe("done");
    expect((await merchant.device.module.limits())[0]?.spentToday).toBe(1_000n);
  });
});

test("the second device of a merchant refills the till within its limit; above it the bank does", async () => {
  const economy = await Economy.create("limits of a merchant");
  const { devices } = economy.world.trader("alder");
  const second = devices[1]?.module;
  if (second === undefined) throw new Error("the merchant has one device only");
  const pin = economy.world.site.record(devices[1]?.name ?? "").pin;
  const refills = () =>
    economy.events.flatMap((event) => (event.kind === "refilled" ? [[event.from, event.money.amount]] : []));
  const holds = (await second.balances()).find(({ unit }) => unit.currency === 840)?.spendable ?? 0n;
  const till = (await devices[0]?.module.balances())?.find(({ unit }) => unit.currency === 840)?.spendable ?? 0n;
  const short = 10_000n - till;
  expect([short > 0n, holds >= short]).toEqual([true, true]);

  await second.setLimit(pin, limit(short - 1n, 0n));
  expect((await economy.deal("bob", "alder", "buy", "USD 100.00")).customer.status).toBe("fulfilled");
  expect(refills()).toEqual([["bank", short]]);
  expect((await second.limits())[0]?.spentToday).toBe(0n);

  economy.forget();
  await second.setLimit(pin, limit(0n, holds));
  expect((await economy.deal("bob", "alder", "buy", "USD 1.00")).customer.status).toBe("fulfilled");
  expect(refills()).toEqual([["device", 100n]]);
  expect((await second.limits())[0]?.spentToday).toBe(100n);
  expect(await economy.faults()).toEqual([]);
  await economy.close();
});
