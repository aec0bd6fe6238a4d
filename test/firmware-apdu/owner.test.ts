/**
 * What the owner's PIN guards, date and time, the list of bad ids: on the release firmware. `docs/APDU.md`.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { SIGNED_APPROVAL, SIGNED_LIST } from "../../firmware/protocol/kinds.js";
import { BAD_IDS_MAX } from "../../firmware/protocol/limits.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { concatBytes, fromHex, toHex } from "../../host/codec/bytes.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { decodeChain } from "../../host/codec/certificate.js";
import { sign1 } from "../../host/codec/cose.js";
import type { Signer } from "../../host/codec/signer.js";
import { command } from "../../host/commands.js";
import { ed25519Signer } from "../../host/crypto.js";
import type { OperationHook } from "../../simulator/faults.js";
import { CheatingModule, deliver } from "../support/cheating-module.js";
import { type ModuleDevice, ModuleWorld, PIN, PUK } from "../support/modules.js";
import { START_SECONDS } from "../support/virtual-time.js";

const NOW = Number(START_SECONDS);
let world: ModuleWorld;
let alice: ModuleDevice;
let image: Uint8Array;

beforeAll(async () => {
  world = new ModuleWorld("owner");
  alice = await world.module("alice");
  image = alice.simulated.snapshot();
});

beforeEach(() => {
  alice.simulated.chip.onOperation = undefined;
  alice.simulated.restore(image);
});

function send(...parts: (string | Uint8Array)[]): string {
  const bytes = parts.map((part) => (typeof part === "string" ? fromHex(part.replaceAll(" ", "")) : part));
  return toHex(alice.transport.transmit(concatBytes(...bytes)).subarray(-2));
}

const ascii = (digits: string) => new TextEncoder().encode(digits);

/** VERIFY, CHANGE REFERENCE DATA or RESET RETRY COUNTER with this data. */
function reference(instruction: number, data: Uint8Array): string {
  const length = data.length === 0 ? new Uint8Array(0) : Uint8Array.of(data.length);
  return send(Uint8Array.of(0, instruction, 0, p.REFERENCE_PIN), length, data);
}

const verify = (digits: string) => reference(p.INS_VERIFY, ascii(digits));
const two = (first: string, second: string) => concatBytes(Uint8Array.of(first.length), ascii(first), ascii(second));
const change = (old: string, digits: string) => reference(p.INS_CHANGE_REFERENCE_DATA, two(old, digits));
const unblock = (puk: string, digits: string) => reference(p.INS_RESET_RETRY_COUNTER, two(puk, digits));
const tries = async () => (await alice.element.counters()).pinTries;

describe("what the PIN guards", () => {
  const guarded = [
    "00cadf02 00",
    "00cadf10 00",
    "00cadf11 00",
    "00b2010c 00",
    "00b20114 00",
    "80100000 08 000000006b49d200",
  ];
  const free = ["00cadf01 00", "00cadf03 00", "00cadf04 00", "00cadf05 00"];

  test("balances, notes, log, chain and the clock need it; versions, counters, store and digest do not", () => {
    for (const each of [...guarded, ...free]) expect(send(each), each).not.toBe("6982");
    alice.transport.reset();
    for (const each of guarded) expect(send(each), each).toBe("6982");
    for (const each of free) expect(send(each), each).toBe("9000");
    expect(verify("0000")).toBe("63c2");
    for (const each of guarded) expect(send(each), each).toBe("6982");
    expect(verify(PIN)).toBe("9000");
    for (const each of guarded) expect(send(each), each).not.toBe("6982");
  });

  test("every order of the host needs it", async () => {
    const money = { amount: 1n, unit: { currency: 840, exponent: 2 } };
    const orders = [
      command.listen(),
      command.pay(money, null),
      command.payRequested(),
      command.request(money, null),
      command.withdraw(money, null),
      command.outcome(true),
      command.cancel(),
      command.yes(),
      command.no(130),
      command.amount(money),
      command.redeem(0),
      command.forget(new Uint8Array(32)),
    ];
    await alice.element.restart();
    for (const order of orders) expect((await deliver(alice.element, order)).status.toString(16)).toBe("6982");
  });
});

describe("VERIFY", () => {
  test("wrong digits block it, right ones do not help any more, and nor does power-off", async () => {
    expect(reference(p.INS_VERIFY, new Uint8Array(0))).toBe("9000");
    expect([verify("0000"), verify("00000"), verify("1")]).toEqual(["63c2", "63c1", "6983"]);
    expect(reference(p.INS_VERIFY, new Uint8Array(0))).toBe("6983");
    for (const again of [false, true]) {
      if (again) alice.transport.reset();
      expect(verify(PIN)).toBe("6983");
      expect(change(PIN, "5555")).toBe("6983");
      expect(send("00cadf10 00")).toBe("6982");
    }
    expect(await tries()).toBe(0);
  });

  test("right digits give all tries back, and a wrong try closes what was open", async () => {
    expect([verify("0000"), verify("0000"), verify(PIN)]).toEqual(["63c2", "63c1", "9000"]);
    expect(await tries()).toBe(3);
    expect(verify("4321")).toBe("63c2");
    expect(send("00cadf10 00")).toBe("6982");
  });

  test("digits that are too many cost no try; the question for tries costs none either", async () => {
    alice.transport.reset();
    expect(verify("1234567890123")).toBe("6700");
    for (let i = 0; i < 5; i += 1) expect(reference(p.INS_VERIFY, new Uint8Array(0))).toBe("63c3");
    expect(await tries()).toBe(3);
  });

  test("right digits with something behind them, and a part of them, are wrong", () => {
    expect([verify("12345"), verify("123")]).toEqual(["63c2", "63c1"]);
  });

  test("a power cut at any operation of a wrong try gains nothing: the try is gone, or was not made", async () => {
    const operations = countOperations(() => verify("0000"));
    expect(operations).toBeGreaterThan(0);
    for (let cut = 0; cut < operations; cut += 1) {
      for (const when of ["before", "after"] as const) {
        alice.simulated.restore(image);
        const answered = cutAt(cut, when, () => verify("0000"));
        // The comparison comes after the last operation, so a cut never lets its result out.
        expect(answered).toBe(false);
        const left = await tries();
        expect([2, 3]).toContain(left);
        expect(verify(PIN)).toBe("9000");
      }
    }
  });

  test("a right try that is cut while it is being counted back costs tries, at most", async () => {
    const operations = countOperations(() => verify(PIN));
    for (let cut = 0; cut < operations; cut += 1) {
      alice.simulated.restore(image);
      expect(verify("0000")).toBe("63c2");
      cutAt(cut, "before", () => verify(PIN));
      expect([1, 2, 3]).toContain(await tries());
      expect(send("00cadf10 00")).toBe("6982");
    }
  });

  test("pulled at every wrong try, a thief has three of them in all", () => {
    let made = 0;
    for (let i = 0; i < 12; i += 1) {
      const operations: string[] = [];
      const cutLast: OperationHook = ({ kind }) => {
        operations.push(kind);
        // The last thing that a wrong try changes is the count: pulled right after it.
        return kind === "counter-increment" ? { cut: "after" } : undefined;
      };
      alice.simulated.chip.onOperation = cutLast;
      try {
        verify("0000");
      } catch {
        made += 1;
      }
      alice.simulated.chip.onOperation = undefined;
      alice.transport.reset();
    }
    expect(made).toBe(3);
    expect(verify(PIN)).toBe("6983");
  });
});

function countOperations(work: () => unknown): number {
  let count = 0;
  alice.simulated.chip.onOperation = () => {
    count += 1;
    return undefined;
  };
  work();
  alice.simulated.chip.onOperation = undefined;
  return count;
}

/** Cuts power at one operation of the work; whether it answered all the same. The element is on again afterwards. */
function cutAt(operation: number, when: "before" | "after", work: () => unknown): boolean {
  let at = 0;
  alice.simulated.chip.onOperation = () => (at++ === operation ? { cut: when } : undefined);
  let answered = true;
  try {
    work();
  } catch {
    answered = false;
  }
  alice.simulated.chip.onOperation = undefined;
  alice.transport.reset();
  return answered;
}

describe("CHANGE REFERENCE DATA and RESET RETRY COUNTER", () => {
  test("the old digits are needed, the new ones must fit, and a misfit costs no try", async () => {
    expect(change("0000", "5555")).toBe("63c2");
    for (const digits of ["", "123", "12a4", "1234567890123"]) expect(change(PIN, digits)).toMatch(/6700|6a80/);
    expect(await tries()).toBe(2);
    expect(change(PIN, "5555")).toBe("9000");
    expect([verify(PIN), verify("5555")]).toEqual(["63c2", "9000"]);
  });

  test("lengths that do not fit", async () => {
    for (const data of ["01", "0431323334", "0531323334", "ff31323334", `0d${"31".repeat(17)}`]) {
      for (const instruction of [p.INS_CHANGE_REFERENCE_DATA, p.INS_RESET_RETRY_COUNTER]) {
        expect(reference(instruction, fromHex(data)), data).toMatch(/6700|6a80/);
      }
    }
    expect(await alice.element.counters()).toMatchObject({ pinTries: 3, pukTries: 10 });
  });

  test("the PUK unblocks; ten wrong ones and it is blocked itself, for ever", async () => {
    for (let i = 0; i < 3; i += 1) verify("0000");
    expect(unblock("00000000", "4321")).toBe("63c9");
    expect(verify("4321")).toBe("6983");
    expect(unblock(PUK, "4321")).toBe("9000");
    expect(verify("4321")).toBe("9000");
    expect(await alice.element.counters()).toMatchObject({ pinTries: 3, pukTries: 10 });
    const wrong = Array.from({ length: 10 }, () => unblock("00000000", "4321"));
    expect(wrong).toEqual(["63c9", "63c8", "63c7", "63c6", "63c5", "63c4", "63c3", "63c2", "63c1", "6983"]);
    expect(unblock(PUK, "4321")).toBe("6983");
  });
});

describe("date and time", () => {
  const open = (seconds: bigint) => send("80100000 08", fromHex(seconds.toString(16).padStart(16, "0")));
  const now = async () => (await alice.element.counters()).now_seconds;

  test("what is no date is refused, and changes nothing", async () => {
    for (const seconds of [0n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) expect(open(seconds)).toBe("6a80");
    for (const length of [0, 1, 7, 9]) {
      const lc = length === 0 ? new Uint8Array(0) : Uint8Array.of(length);
      expect(send("80100000", lc, new Uint8Array(length))).toBe("6700");
    }
    expect(await now()).toBe(START_SECONDS);
    expect(open(2n ** 53n - 1n)).toBe("9000");
  });

  test("it runs on by itself, and is gone without power", async () => {
    await world.time.clock.advance(5_000);
    expect(await now()).toBe(START_SECONDS + 5n);
    await alice.element.restart();
    expect(await now()).toBe(0n);
  });

  test("an issuer's date is the floor, kept without power; a host below it is not believed", async () => {
    const later = START_SECONDS + 1_000n;
    await alice.element.putList(world.agencies.modules.badIdList(1n, Number(later), []));
    expect((await alice.element.counters()).clockFloor_seconds).toBe(later);
    expect(await now()).toBe(later);
    await alice.element.restart();
    await alice.element.verifyPin(PIN);
    expect(open(later - 1n)).toBe("6a80");
    expect(await now()).toBe(0n);
    expect(open(later)).toBe("9000");
    expect(await now()).toBe(later);
  });

  test("a host's date, however far ahead, raises no floor", async () => {
    const digest = await alice.element.digest();
    expect(open(START_SECONDS * 2n)).toBe("9000");
    expect((await alice.element.counters()).clockFloor_seconds).toBe(0n);
    expect(await alice.element.digest()).toEqual(digest);
    expect(open(START_SECONDS)).toBe("9000");
    expect(await now()).toBe(START_SECONDS);
  });

  test("a date so early that the chip was powered on before 1970 is refused", async () => {
    await world.time.clock.advance(60_000);
    expect(open(59n)).toBe("6a80");
  });

  test("an older issuer's date does not lower the floor", async () => {
    const { modules } = world.agencies;
    await alice.element.putList(modules.badIdList(1n, NOW + 100, []));
    await alice.element.putList(modules.badIdList(2n, NOW + 50, []));
    const counters = await alice.element.counters();
    expect(counters).toMatchObject({ listVersion: 2n, clockFloor_seconds: START_SECONDS + 100n });
  });
});

describe("the list of bad ids", () => {
  const version = async () => (await alice.element.counters()).listVersion;
  const entry = (fill: number): [Uint8Array, number] => [new Uint8Array(16).fill(fill), 1];

  async function refused(list: Uint8Array): Promise<void> {
    const before = await alice.element.digest();
    await expect(alice.element.putList(list)).rejects.toMatchObject({ status: p.SW_WRONG_DATA });
    expect(await alice.element.digest()).toEqual(before);
  }

  test("the newest wins; the same and an older one change nothing", async () => {
    const { modules } = world.agencies;
    await alice.element.putList(modules.badIdList(5n, NOW, [entry(1)]));
    const digest = await alice.element.digest();
    for (const older of [5n, 4n, 0n]) await alice.element.putList(modules.badIdList(older, NOW + 9, [entry(2)]));
    expect(await version()).toBe(5n);
    expect(await alice.element.digest()).toEqual(digest);
    await alice.element.putList(modules.badIdList(2n ** 64n - 1n, NOW, []));
    expect(await version()).toBe(2n ** 64n - 1n);
  });

  test("it needs no PIN, and is kept without power", async () => {
    await alice.element.restart();
    await alice.element.putList(world.agencies.modules.badIdList(3n, NOW, [entry(1)]));
    await alice.element.restart();
    expect(await version()).toBe(3n);
  });

  test("a full one is taken", async () => {
    const full = Array.from({ length: BAD_IDS_MAX }, (_, i): [Uint8Array, number] => [new Uint8Array(16).fill(i), 255]);
    await alice.element.putList(world.agencies.modules.badIdList(1n, NOW, full));
    expect(await version()).toBe(1n);
  });

  test("foreign signers: another root, the other tree, a device, a key of nobody's", async () => {
    const foreign = new Agency(newAgencies(world.random, NOW).modules);
    const device = new CheatingModule({ agency: world.agencies.modules, random: world.random, now_seconds: NOW });
    const certificate = decodeChain(device.chain).device;
    const list = encode([1, 9, NOW, []]);
    const nobody = ed25519Signer(new Uint8Array(32).fill(1));
    const made = (signer: Signer, by: Uint8Array, kind = SIGNED_LIST) => encode([sign1(kind, list, signer), by]);
    await refused(foreign.badIdList(9n, NOW, []));
    await refused(world.agencies.agents.badIdList(9n, NOW, []));
    await refused(made(device.signer, certificate));
    await refused(made(nobody, world.agencies.modules.serverCertificate));
    expect(await version()).toBe(0n);
  });

  /** A world whose security server's key is in the test's hands. */
  async function ownServer() {
    const secrets = newAgencies(world.random, NOW);
    const agency = new Agency(secrets.modules);
    const signer = ed25519Signer(fromHex(secrets.modules.serverSeed));
    Object.assign(world, { agencies: { ...world.agencies, modules: agency } });
    const victim = await world.module(`victim ${secrets.modules.rootId}`);
    const make = (list: CborValue, kind = SIGNED_LIST) =>
      encode([sign1(kind, encode(list), signer), agency.serverCertificate]);
    return { victim, make };
  }

  test("malformed and too long, though signed by the right one", async () => {
    const before = world.agencies;
    const { victim, make } = await ownServer();
    const ids = (count: number) => Array.from({ length: count }, (_, i) => entry(i));
    const good = make([1, 1, NOW, ids(2)]);
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ["too many", make([1, 1, NOW, ids(BAD_IDS_MAX + 1)])],
      ["of another version", make([2, 1, NOW, []])],
      ["of another kind", make([1, 1, NOW, []], SIGNED_APPROVAL)],
      ["id too short", make([1, 1, NOW, [[new Uint8Array(15), 1]]])],
      ["entry too short", make([1, 1, NOW, [[new Uint8Array(16)]]])],
      ["entry too long", make([1, 1, NOW, [[new Uint8Array(16), 1, 1]]])],
      ["no date", make([1, 1, []])],
      ["something behind", make([1, 1, NOW, [], 0])],
      ["a date beyond all dates", make([1, 1, 2n ** 53n, []])],
      ["bytes behind", concatBytes(good, Uint8Array.of(0))],
      ["cut", good.subarray(0, good.length - 1)],
      ["nothing", new Uint8Array(0)],
    ];
    const digest = await victim.element.digest();
    for (const [name, list] of wrong) {
      const taken = victim.element.putList(list);
      await expect(taken, name).rejects.toMatchObject({ status: p.SW_WRONG_DATA });
      expect(await victim.element.digest(), name).toEqual(digest);
    }
    for (let at = 0; at < good.length; at += 7) {
      const altered = good.slice();
      altered[at] = (altered[at] ?? 0) ^ 2;
      await expect(victim.element.putList(altered), `byte ${at}`).rejects.toMatchObject({ status: p.SW_WRONG_DATA });
    }
    await victim.element.putList(good);
    Object.assign(world, { agencies: before });
  });
});
