/**
 * Somebody opens a chip in a laboratory and makes another of it: the same keys, the same flash, the same counter. Original and
 * copy both pay. A wallet that meets both copies of a note refuses the second, the bank takes both and proves who did it.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { REASON_DUPLICATE } from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { toHex } from "../../host/codec/bytes.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { parseMoney } from "../../host/units.js";
import { BankWorld, PIN, spendable } from "../support/bank-world.js";
import { reasonOf } from "../support/refusals.js";

const TEN = parseMoney("USD 10.00");
const { unit } = TEN;

let world: BankWorld;
let original: Device;
let copy: Device;

/** A second chip that is bit for bit the first, beside it, both with power. */
async function cloned(name: string): Promise<Device> {
  const source = world.simulated.get(name);
  if (source === undefined) throw new Error(`no chip of ${name}`);
  const chip = await world.chips.chip(`${name}, copied`, "module");
  chip.simulated.restore(source.simulated.snapshot());
  await chip.element.select();
  const device = new Device({ name: `${name}, copied`, module: chip.element, clock: world.time, timers: world.time });
  await device.unlock(PIN);
  return device;
}

async function hand(from: Device, to: Device, money = TEN): Promise<void> {
  const [near, far] = inProcessLink();
  const receiving = receive(to, far);
  const [paid, received] = await world.time.run(Promise.allSettled([pay(from, near, money), receiving]));
  for (const result of [received, paid]) if (result.status === "rejected") throw result.reason;
}

beforeAll(async () => {
  world = await BankWorld.create("cloned module");
  original = await world.customer("Mallory", "USD 10.00");
  copy = await cloned("Mallory");
});

async function wallet(name: string): Promise<Device> {
  const device = await world.module(name);
  await world.books.openDeposit(name, unit);
  await world.books.link(name, device.module.idHex);
  return device;
}

describe("original and copy of a module", () => {
  it("cannot be told apart by a wallet that meets one of them", async () => {
    expect(copy.module.idHex).toBe(original.module.idHex);
    expect(toHex(await copy.module.digest())).toBe(toHex(await original.module.digest()));
  });

  it("spend the same notes: each victim is paid, and whoever is paid by both victims refuses the second", async () => {
    const [bob, carol, dave] = [await wallet("Bob"), await wallet("Carol"), await wallet("Dave")];
    await hand(original, bob);
    await hand(copy, carol);
    expect([await spendable(bob, 840), await spendable(carol, 840)]).toEqual([1000n, 1000n]);

    await hand(bob, dave);
    const held = await dave.module.digest();
    expect(await reasonOf(hand(carol, dave))).toBe(REASON_DUPLICATE);
    expect(await dave.module.digest()).toEqual(held);
    expect([await spendable(carol, 840), await spendable(dave, 840)]).toEqual([1000n, 1000n]);

    // Nobody who was paid honestly bears it: the bank takes both.
    await world.time.run(deposit(dave, world.bank, "Dave", TEN));
    await world.bank.idle();
    expect(await world.bank.findings()).toEqual([]);
    await world.time.run(deposit(carol, world.bank, "Carol", TEN));
    await world.bank.idle();
    for (const name of ["Dave", "Carol"]) expect(await world.books.depositBalance(name)).toBe(1000n);
    expect(await world.books.balance("fraud-loss", unit)).toBe(1000n);
    expect(await world.books.audit()).toEqual([]);
  });

  it("are named by every finding of the bank, with proofs that hold for whoever has the root; and nobody else is", async () => {
    const findings = await world.bank.findings();
    const culprit = original.module.idHex;
    expect(new Set(findings.map((finding) => finding.culprit))).toEqual(new Set([culprit]));
    expect(findings.map(({ kind }) => kind)).toContain("counter");
    for (const { proof } of findings) {
      const verdict = checkFraudProof(proof as Uint8Array, world.agencies.modules.root);
      expect(verdict).toMatchObject({ proved: true, culprit });
    }
    const list = Buffer.from((await world.badIds.newest())?.list ?? []);
    const listed = [...world.simulated.values()].filter(({ element }) => list.includes(Buffer.from(element.id)));
    expect(listed.map(({ element }) => element.idHex)).toEqual([culprit]);
  });

  it("cannot have somebody else blamed: with another module's id in it, a proof proves nothing", async () => {
    const others = [...world.simulated].filter(([name]) => name !== "Mallory").map(([, { element }]) => element.id);
    expect(others.length).toBeGreaterThan(4);
    for (const { proof } of await world.bank.findings()) {
      for (const id of others) {
        const blamed = replaced(proof as Uint8Array, text(original.module.idHex), text(toHex(id)));
        expect(blamed).not.toEqual(proof);
        expect(checkFraudProof(blamed, world.agencies.modules.root).proved).toBe(false);
      }
    }
  });

  it("pay one wallet directly: it takes the first, and refuses the second", async () => {
    world = await BankWorld.create("cloned module, directly");
    original = await world.customer("Mallory", "USD 10.00");
    copy = await cloned("Mallory");
    const erin = await wallet("Erin");
    await hand(original, erin);
    const held = await erin.module.digest();
    expect(await reasonOf(hand(copy, erin))).toBe(REASON_DUPLICATE);
    expect(await reasonOf(hand(copy, erin, parseMoney("USD 0.01")))).toBe(REASON_DUPLICATE);
    expect(await erin.module.digest()).toEqual(held);
    expect(await spendable(erin, 840)).toBe(1000n);
  });
});

function text(digits: string): Uint8Array {
  return new TextEncoder().encode(digits);
}

/** Every occurrence of one sequence of bytes by another of the same length. */
function replaced(bytes: Uint8Array, what: Uint8Array, by: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(what); at >= 0; at = copy.indexOf(what, at + what.length)) copy.set(by, at);
  return new Uint8Array(copy);
}
