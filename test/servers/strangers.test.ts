/** Strangers without a chip at the ports of a bank, a merchant and a waiting wallet: customers are served beside them. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { ADDRESS_AGENT, ADDRESS_MODULE } from "../../firmware/protocol/messages.js";
import { deposit } from "../../host/applications/deposit.js";
import { CALLERS_LIMITS } from "../../host/communications/callers.js";
import { openLine } from "../../host/communications/client.js";
import { LineBusyError } from "../../host/communications/errors.js";
import { systemRandom } from "../../host/randomness.js";
import { BankServer } from "../../host/servers/bank-server.js";
import { bankOverLines, LINE } from "../../host/servers/purposes.js";
import { systemTimers } from "../../host/services/clock.js";
import { parseMoney } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { BankWorld, spendable } from "../support/bank-world.js";
import { hurried_ms, hurriedTimers } from "../support/hurried.js";
import { ServedWorld } from "../support/served-world.js";
import { type Crowd, strangersAt } from "../support/strangers.js";
import { has, walletOf } from "../support/wallets.js";

const usd = (text: string) => parseMoney(`USD ${text}`);
/** What one stranger costs whoever waits for it. */
const EACH_MS = hurried_ms(CALLERS_LIMITS.sessionAwaited_ms_max);
/** What is done beside waiting, on a machine that does other things too. */
const WORK_MS = 2_000;
const ELSEWHERE = 20;
const HERE = 6;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function strangers(...where: Parameters<typeof strangersAt>): Promise<Crowd> {
  const crowd = await strangersAt(...where);
  cleanups.push(() => crowd.close());
  // All have said their first word, and one had a device, lost it and is there again.
  await vi.waitFor(() => expect(crowd.lines()).toBeGreaterThan(crowd.number), 5_000);
  return crowd;
}

async function took_ms(work: Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work;
  return performance.now() - since;
}

const crowds = [
  { from: "elsewhere", number: ELSEWHERE, waits: 1 },
  { from: "here", number: HERE, waits: HERE },
] as const;

for (const { from, number, waits } of crowds) {
  describe(`${number} strangers who come again and again from ${from === "here" ? "the same" : "another"} address`, () => {
    const bound_ms = waits * EACH_MS + WORK_MS;

    test("keep nobody from the bank's counter", async () => {
      const world = await BankWorld.create();
      const alice = await world.customer("alice", "USD 10.00");
      const bank = await BankServer.open(world.bank, { timers: hurriedTimers, random: world.random });
      cleanups.push(() => bank.close());
      const over = bankOverLines(bank.url, { timers: systemTimers, random: systemRandom });
      const crowd = await strangers(bank.url, LINE.teller, ADDRESS_MODULE, number, from);
      expect(await took_ms(deposit(alice, over, "alice-840", usd("4.00")))).toBeLessThan(bound_ms);
      await crowd.close();
      await world.bank.idle();
      expect(await spendable(alice, 840)).toBe(600n);
      const audited = await audit([alice, world.bank.teller, world.generator], [world.bank]);
      expect(audited.every((line) => line.balanced)).toBe(true);
    });

    test("keep nobody from a merchant's two tills", async () => {
      const served = await ServedWorld.open();
      cleanups.push(() => served.close());
      const alice = await served.wallet("alice");
      await strangers(served.urlOf("alder"), LINE.trade, ADDRESS_AGENT, number, from);
      expect(await took_ms(alice.buy(usd("2.00"), undefined, "alder"))).toBeLessThan(bound_ms);
      expect(await has(alice)).toBe(200n);
    });

    test("keep nobody from paying a wallet that waits", async () => {
      const world = await BankWorld.create();
      const alice = await walletOf(world, "alice", ["USD 20.00"]);
      const bob = await walletOf(world, "bob");
      const reception = await bob.request(usd("1.00"));
      cleanups.push(() => reception.close());
      await strangers(reception.address, LINE.pay, ADDRESS_MODULE, number, from);
      expect(await took_ms(alice.payRequest(reception.uri ?? ""))).toBeLessThan(bound_ms);
      expect([await has(alice), await has(bob)]).toEqual([1_900n, 100n]);
    });
  });
}

test("more strangers than there is room for are told that the server is busy", async () => {
  const world = await BankWorld.create();
  const reception = await (await walletOf(world, "bob")).request(usd("1.00"));
  cleanups.push(() => reception.close());
  const lines = { timers: systemTimers, random: systemRandom };
  const opened = await Promise.allSettled(
    Array.from({ length: CALLERS_LIMITS.perAddress_max + 8 }, () => openLine(reception.address, LINE.pay, lines)),
  );
  const refused = opened.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
  expect(refused).toHaveLength(8);
  for (const reason of refused) expect(reason).toBeInstanceOf(LineBusyError);
  for (const each of opened) if (each.status === "fulfilled") each.value.close();
});
