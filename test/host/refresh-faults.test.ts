/**
 * A refresh that is broken off anywhere: the link at each message, the power at each operation of a module's flash, the bank's
 * host at each posting. Money and books balance at once, and the next refresh brings everything back
 * (docs/PROTOCOLS.md, sections 1 and 7).
 */

import { beforeEach, describe, expect, test, vi } from "vitest";
import { refresh } from "../../host/applications/refresh.js";
import { withdraw } from "../../host/applications/withdraw.js";
import type { SimulatedChip } from "../../host/chips.js";
import { inProcessLink, type MessageFate } from "../../host/communications/in-process.js";
import type { Device } from "../../host/device.js";
import type { BankBooks } from "../../host/services/bank-books.js";
import { TellerService } from "../../host/services/teller.js";
import { parseMoney, unitOf } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import type { OperationHook } from "../../simulator/faults.js";
import { BankWorld, PIN, spendable } from "../support/bank-world.js";
import { generator, TEARS, type Tear, tornFate } from "../support/store-driver.js";

// Many runs a test: seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 240_000 });

const WORD_BYTES = 4;
const DOLLARS = 1_012n;
const EUROS = 2_000n;
const UNITS = [unitOf("USD"), unitOf("EUR")];

let world: BankWorld;
let alice: Device;

/** More dollars than one packet holds, and euros. */
beforeEach(async () => {
  world = await BankWorld.create();
  alice = await world.customer("alice", "USD 10.00", "EUR 20.00");
  for (let i = 0; i < 12; i += 1) {
    await world.time.run(withdraw(alice, world.bank, "alice-840", parseMoney("USD 0.01")));
  }
  await world.bank.idle();
});

function open(books: BankBooks = world.books, links?: () => ReturnType<typeof inProcessLink>): Promise<TellerService> {
  const { database, generator, reconciliation, badIds } = world;
  const parts = { books, database, teller: world.bank.teller, generator, reconciliation, badIds };
  return TellerService.open(links === undefined ? parts : { ...parts, links });
}

/** One refresh, however it ends; true when it went through. */
async function attempt(bank: TellerService): Promise<boolean> {
  const [outcome] = await world.time.run(Promise.allSettled([refresh(alice, bank, { all: true })]));
  await world.time.run(bank.idle());
  return outcome?.status === "fulfilled";
}

/** Whatever has happened: no note too many or too few, and every account what its postings make it. */
async function expectBalance(bank: TellerService): Promise<void> {
  const lines = await audit([alice, bank.teller, world.generator], [bank]);
  expect(lines.filter((line) => !line.balanced)).toEqual([]);
  expect(await world.books.audit()).toEqual([]);
}

/**
 * The next refresh finishes it: all that alice had is in her module again. The one after it meets the teller in any case, and
 * then nothing is open at either end.
 */
async function expectFinished(bank: TellerService): Promise<void> {
  for (const all of [false, true]) {
    await world.time.run(refresh(alice, bank, { all }));
    await world.time.run(bank.idle());
    await expectBalance(bank);
    expect(await world.books.refreshOwed(alice.module.idHex)).toEqual([]);
    expect([await spendable(alice, 840), await spendable(alice, 978)]).toEqual([DOLLARS, EUROS]);
  }
  expect([await alice.module.pending(), await bank.teller.module.pending()]).toEqual([[], []]);
  for (const unit of UNITS) {
    expect(await world.books.balance("in-transit", unit)).toBe(0n);
    expect(await world.books.balance("money-held", unit)).toBe(await spendable(bank.teller, unit.currency));
    expect(await world.books.balance("fraud-loss", unit)).toBe(0n);
  }
}

async function named<Result>(where: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** How many of the runs were left at the bank, so that a test cannot pass by breaking off nothing. */
async function owes(): Promise<boolean> {
  return (await world.books.refreshOwed(alice.module.idHex)).length > 0;
}

describe.each(["cut", "lose"] as const)("a message that is struck: %s", (kind) => {
  test("at each message of a refresh", async () => {
    let strikeAt = -1;
    let count = 0;
    const fate = (): MessageFate => ({ kind: count++ === strikeAt ? kind : "deliver" });
    const bank = await open(world.books, () => inProcessLink(fate, world.time));
    let [left, broken] = [0, 0];
    for (strikeAt = 0; ; strikeAt += 1) {
      count = 0;
      const whole = await attempt(bank);
      const struck = count > strikeAt;
      count = Number.MIN_SAFE_INTEGER;
      if (!struck) break;
      if (!whole) broken += 1;
      await named(`${kind} at message ${strikeAt}`, async () => {
        await expectBalance(bank);
        if (await owes()) left += 1;
        await expectFinished(bank);
      });
    }
    expect(strikeAt, "messages of a refresh").toBeGreaterThan(40);
    // What is lost is asked for again, so that nothing need break.
    if (kind === "cut") expect(Math.min(left, broken)).toBeGreaterThan(5);
    else expect(broken).toBe(0);
  });
});

// The teller writes for others as well, and each of its runs is long: every third operation there.
describe.each([
  ["alice", 1],
  ["teller", 3],
] as const)("power of %s is cut", (name, stride) => {
  test(`at operations of the flash, ${stride} apart`, async () => {
    const device = name === "alice" ? alice : world.bank.teller;
    const { simulated } = world.simulated.get(name) as SimulatedChip;
    let bank = await open();
    let left = 0;
    let at = 0;
    for (; ; at += stride) {
      const cut = cutAt(at, TEARS[at % TEARS.length] as Tear);
      simulated.chip.onOperation = cut.hook;
      await attempt(bank);
      simulated.chip.onOperation = undefined;
      if (!cut.happened) break;
      await named(`${TEARS[at % TEARS.length]} at operation ${at}`, async () => {
        await device.restart(PIN);
        if (name === "teller") bank = await open();
        await expectBalance(bank);
        if (await owes()) left += 1;
        await expectFinished(bank);
      });
    }
    expect(at, "operations of the flash in a refresh").toBeGreaterThan(30);
    expect(left).toBeGreaterThan(5);
  });
});

interface Cut {
  happened: boolean;
  readonly hook: OperationHook;
}

function cutAt(at: number, tear: Tear): Cut {
  const next = generator(at * 31 + 1);
  let left = at;
  const cut: Cut = {
    happened: false,
    hook: (operation) => {
      left -= 1;
      if (left >= 0 || cut.happened) return undefined;
      cut.happened = true;
      return tornFate(tear, operation, next, WORD_BYTES);
    },
  };
  return cut;
}

/** Books whose host dies at one call of one posting, before or after it is made, and does nothing any more. */
function mortalBooks(posting: keyof BankBooks, at: number, after: boolean): { books: BankBooks; died: () => boolean } {
  let count = 0;
  let dead = false;
  const books = new Proxy(world.books, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...said: unknown[]) => {
        if (dead) throw new Error("the bank's host is dead");
        const dies = name === posting && count++ === at;
        if (dies && !after) dead = true;
        const answer = dead ? undefined : await value.apply(target, said);
        dead ||= dies;
        if (dead) throw new Error(`the bank's host died at ${String(name)}`);
        return answer;
      };
    },
  });
  return { books, died: () => dead };
}

describe("the bank's host dies", () => {
  const postings = ["depositSettle", "redeem", "issue", "withdrawReserve", "withdrawSettle"] as const;
  test.each(postings)("at %s", async (posting) => {
    let deaths = 0;
    for (const after of [false, true]) {
      for (let at = 0; ; at += 1) {
        const mortal = mortalBooks(posting, at, after);
        await attempt(await open(mortal.books));
        if (!mortal.died()) break;
        deaths += 1;
        await named(`${after ? "after" : "before"} call ${at}`, async () => {
          const bank = await open();
          await expectBalance(bank);
          await expectFinished(bank);
        });
      }
    }
    expect(deaths).toBeGreaterThan(1);
  });
});
