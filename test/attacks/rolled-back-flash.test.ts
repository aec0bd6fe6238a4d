/**
 * An owner writes an older image of its chip's flash back: the money that it paid since would be in it again. A chip with a
 * monotonic counter notices at the next power-up, whatever moment the image is of. One without a counter does not, and is
 * not claimed to: there the owner spends twice, like a copied module, and the bank finds and proves it.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { REASON_ROLLED_BACK } from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import type { SimulatedChip } from "../../host/chips.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { Device } from "../../host/device.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { parseMoney } from "../../host/units.js";
import { BootFailure, ElementOff } from "../../simulator/element.js";
import { BankWorld, PIN, spendable } from "../support/bank-world.js";

const SIX = parseMoney("USD 6.00");
const { unit } = SIX;

async function hand(world: BankWorld, from: Device, to: Device): Promise<void> {
  const [near, far] = inProcessLink();
  await world.time.run(Promise.all([pay(from, near, SIX), receive(to, far)]));
}

async function wallet(world: BankWorld, name: string): Promise<Device> {
  const device = await world.module(name);
  await world.books.openDeposit(name, unit);
  await world.books.link(name, device.module.idHex);
  return device;
}

function chipOf(world: BankWorld, name: string): SimulatedChip {
  const chip = world.simulated.get(name);
  if (chip === undefined) throw new Error(`no chip of ${name}`);
  return chip;
}

describe("with a monotonic counter", () => {
  let world: BankWorld;
  let mallory: Device;
  let bob: Device;
  let chip: SimulatedChip;
  /** What flash held before each operation of the payment, and before its first. */
  const images: Uint8Array[] = [];
  let newest: Uint8Array;

  beforeAll(async () => {
    world = await BankWorld.create("rolled back");
    mallory = await world.customer("Mallory", "USD 10.00");
    bob = await wallet(world, "Bob");
    chip = chipOf(world, "Mallory");
    const { chip: hardware } = chip.simulated;
    hardware.onOperation = () => {
      images.push(hardware.flash.snapshot());
      return undefined;
    };
    await hand(world, mallory, bob);
    hardware.onOperation = undefined;
    newest = hardware.flash.snapshot();
  });

  /** Writes the image, and powers the chip up with its counter and keys as they are: with what status it starts. */
  function powerUpWith(image: Uint8Array): number {
    chip.simulated.powerOff();
    chip.simulated.chip.flash.restore(image);
    try {
      chip.simulated.powerOn();
      return 0;
    } catch (error) {
      if (error instanceof BootFailure) return error.status;
      throw error;
    }
  }

  it("no image of before, nor of any moment within the payment, gives anything out; and the newest still does", async () => {
    const before = chip.simulated.snapshot();
    const distinct = new Map([...images, newest].map((image) => [Buffer.from(image).toString("base64"), image]));
    const taken: Uint8Array[] = [];
    for (const image of distinct.values()) {
      chip.simulated.restore(before);
      const status = powerUpWith(image);
      if (status === 0) {
        taken.push(image);
        continue;
      }
      expect(status).toBe(-REASON_ROLLED_BACK);
      // It does not start: it answers nothing, and no order of any host gets money out of it.
      expect(() => chip.simulated.transmit(Uint8Array.of(0, 0xca, 0xdf, 1, 0))).toThrow(ElementOff);
    }
    expect(distinct.size - taken.length).toBeGreaterThan(4);
    // What it does take says what the newest says.
    expect(taken).toContainEqual(newest);
    for (const image of taken) {
      chip.simulated.restore(before);
      expect(powerUpWith(image)).toBe(0);
      await mallory.restart(PIN);
      expect(await spendable(mallory, 840)).toBe(400n);
      expect(await mallory.module.pending()).toEqual([]);
    }
  });
});

describe("without one", () => {
  it("the chip takes it and pays again (not claimed to be stopped): the bank finds it, proves it, and bears the loss", async () => {
    const world = await BankWorld.create("no counter", { hasCounter: (name) => name !== "Mallory" });
    const mallory = await world.customer("Mallory", "USD 10.00");
    const [bob, carol] = [await wallet(world, "Bob"), await wallet(world, "Carol")];
    const { simulated } = chipOf(world, "Mallory");
    const image = simulated.chip.flash.snapshot();
    await hand(world, mallory, bob);
    simulated.powerOff();
    simulated.chip.flash.restore(image);
    await mallory.restart(PIN);
    expect(await spendable(mallory, 840)).toBe(1000n);
    await hand(world, mallory, carol);

    for (const [name, device] of [
      ["Bob", bob],
      ["Carol", carol],
    ] as const) {
      await world.time.run(deposit(device, world.bank, name, SIX));
      await world.bank.idle();
      expect(await world.books.depositBalance(name)).toBe(600n);
    }
    const findings = await world.bank.findings();
    expect(findings.map(({ kind }) => kind)).toContain("counter");
    for (const { proof, culprit } of findings) {
      expect(culprit).toBe(mallory.module.idHex);
      const verdict = checkFraudProof(proof as Uint8Array, world.agencies.modules.root);
      expect(verdict).toMatchObject({ proved: true, culprit });
    }
    expect(await world.books.balance("fraud-loss", unit)).toBeGreaterThan(0n);
    expect(await world.books.audit()).toEqual([]);
  });
});
