/** Recordings: the file as things happen, what is not written into it, and that it can be replayed, byte by byte. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE } from "../../firmware/protocol/apdu.js";
import { ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { recordedByEnvironment, SessionRecorder } from "../../host/apdu-tools/recording.js";
import { SessionRunner } from "../../host/apdu-tools/runner.js";
import { parseSession, type Values } from "../../host/apdu-tools/session.js";
import { blankTarget } from "../../host/apdu-tools/simulated-cards.js";
import { toHex } from "../../host/codec/bytes.js";
import { Element } from "../../host/element.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import type { Transport } from "../../host/transport.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";

const NOW = 1_800_000_000;
const PIN = "483920";
const NEW_PIN = "5837";
const PUK = "90817263";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-recording-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A blank module becomes its owner's, who does a little with it; all of it over the transport that is recorded. */
async function life(transport: Transport): Promise<{ key: string }> {
  const random = new SeededRandomness(sodiumCryptography, "recording");
  const secrets = newAgencies(random, NOW);
  const agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
  const element = await Element.select(transport, AID_MONEY_MODULE);
  const order = { role: ROLE_TRANSACTION, pin: PIN, puk: PUK };
  const { personalisationKey } = await personalise(element, agencies, order, random, BigInt(NOW));
  await finishPersonalisation(element);
  await element.restart();
  await element.verifyPin(PIN);
  await element.open(BigInt(NOW));
  await element.balances();
  await element.setLimit(PIN, { unit: { currency: 840, exponent: 2 }, payment: 500n, day: 0n });
  await element.changePin(PIN, NEW_PIN);
  await element.verifyPin(PIN).catch(() => undefined);
  await element.unblockPin(PUK, NEW_PIN);
  await element.verifyPin(NEW_PIN);
  // A piece of a chain, and digits where a class is wrong.
  await transport.transmit(Uint8Array.of(0x10, 0x20, 0, 0x81, 2, 0x34, 0x38));
  await transport.transmit(Uint8Array.of(0xa0, 0x20, 0, 1, 6, ...new TextEncoder().encode(PIN)));
  return { key: personalisationKey };
}

const blank = () => blankTarget("money-module", "7");

async function recorded(name: string, keepSecrets = false) {
  const path = join(folder, name);
  const recorder = new SessionRecorder(path, { keepSecrets });
  const { key } = await life(recorder.wrap(blank().transport, "module"));
  recorder.close();
  return { path, key, text: readFileSync(path, "utf8") };
}

/** How many answers were compared, and which were not as then. */
async function replay(text: string, values: Values = () => undefined, statusOnly = false) {
  const runner = new SessionRunner([blank()], { values, statusOnly });
  const wrong: number[] = [];
  let compared = 0;
  for (const line of parseSession(text)) {
    const outcome = await runner.take(line);
    if (outcome.kind !== "comparison") continue;
    compared += 1;
    if (outcome.mismatch !== undefined) wrong.push(line.number);
  }
  return { compared, wrong, asExpected: runner.isAsExpected };
}

describe("a recording", () => {
  test("is its owner's alone, and holds no PIN, PUK or key", async () => {
    const { path, key, text } = await recorded("life");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const secret of [PIN, NEW_PIN, PUK]) {
      expect(text).not.toContain(secret);
      const ascii = toHex(new TextEncoder().encode(secret)).toUpperCase();
      expect(text.replace(/ /g, "")).not.toContain(ascii);
    }
    expect(text.replace(/ /g, "").toLowerCase()).not.toContain(key);
    expect(text).toContain("> VERIFY {pin}\n");
    expect(text).toContain("> CHANGE REFERENCE DATA {pin} {pin-2}\n");
    expect(text).toContain("> RESET RETRY COUNTER {puk} {pin-2}\n");
    expect(text).toContain("> PUT DATA limit {pin} USD 5.00 0.00\n");
    expect(text).toContain("> PUT KEY {key}\n");
    expect(text).toContain("> 10 20 00 81 02 {data}\n");
    expect(text).toContain("reset\n");
    // The proof of the personalisation key is good once.
    expect(text).toMatch(/> 00 82 00 00 20 [0-9A-F ]+\n< 90 00\n/);
  });

  test("is replayed to the byte by whoever knows what is not in it", async () => {
    const { text, key } = await recorded("replayed");
    const given: Record<string, string> = { pin: PIN, "pin-2": NEW_PIN, puk: PUK, key, data: "3438" };
    const { compared, wrong, asExpected } = await replay(text, (name) => given[name]);
    expect(wrong).toEqual([]);
    expect(compared).toBe(25);
    expect(asExpected).toBe(true);
  });

  test("with its secrets it needs nobody", async () => {
    const { text } = await recorded("kept", true);
    expect((await replay(text)).wrong).toEqual([]);
  });

  test("another PIN is noticed, and where", async () => {
    const { text, key } = await recorded("wrong");
    const given: Record<string, string> = { pin: "111111", "pin-2": NEW_PIN, puk: PUK, key, data: "3438" };
    // The chip took 111111 when it was personalised, and the limit with it: nothing differs until the old PIN should be wrong.
    expect((await replay(text, (name) => given[name])).wrong).toEqual([]);
    const lines = text.replace("> VERIFY {pin}\n", "> VERIFY 222222\n");
    const { wrong, asExpected } = await replay(lines, (name) => given[name]);
    expect(wrong.length).toBeGreaterThan(0);
    expect(asExpected).toBe(false);
  });

  test("answers that differ in data alone pass where only status words count", async () => {
    const text = "> GET CHALLENGE\n< 00 * 90 00\n> GET DATA digest\n< 90 00\n";
    expect((await replay(text)).wrong).toEqual([2, 4]);
    expect((await replay(text, undefined, true)).wrong).toEqual([]);
  });

  test("can be read up to the moment at which its process ended", () => {
    const path = join(folder, "crash");
    const recorder = new SessionRecorder(path);
    const dies: Transport = {
      ...blank().transport,
      name: "dies",
      extendedLength: true,
      transmit: () => {
        // As far as the file is concerned the process ends here.
        throw new Error(readFileSync(path, "utf8"));
      },
    };
    const sent = () => recorder.wrap(dies, "module").transmit(Uint8Array.of(0, 0xca, 0xdf, 1, 0));
    expect(sent).toThrow("@module\n> 00 CA DF 01 00\n");
    expect(readFileSync(path, "utf8")).toBe("@module\n> 00 CA DF 01 00\n# no answer: Error\n");
  });

  test("an answer that comes at once is recorded at once, and one that comes later, later", async () => {
    const path = join(folder, "both");
    const recorder = new SessionRecorder(path);
    const { transport } = blank();
    const now = recorder.wrap(transport, "module").transmit(Uint8Array.of(0, 0x84, 0, 0, 0));
    expect(now).toBeInstanceOf(Uint8Array);
    const later: Transport = {
      name: "slow",
      extendedLength: true,
      transmit: async (apdu) => transport.transmit(apdu),
      reset: () => undefined,
      close: () => undefined,
    };
    const answer = recorder.wrap(later, "card").transmit(Uint8Array.of(0, 0x99, 0, 0));
    expect(readFileSync(path, "utf8")).toMatch(/@card\n> 00 99 00 00\n$/);
    await answer;
    expect(readFileSync(path, "utf8")).toMatch(/@card\n> 00 99 00 00\n< 6D 00\n$/);
  });

  test("does not overwrite, and a file that fails ends the recording, not what is recorded", () => {
    const path = join(folder, "there");
    writeFileSync(path, "mine");
    expect(() => new SessionRecorder(path)).toThrow(/EEXIST/);
    expect(readFileSync(path, "utf8")).toBe("mine");
    let failed: Error | undefined;
    const recorder = new SessionRecorder("/dev/full", { append: true, failed: (error) => (failed = error) });
    const wrapped = recorder.wrap(blank().transport, "module");
    expect(wrapped.transmit(Uint8Array.of(0, 0x99, 0, 0))).toEqual(Uint8Array.of(0x6d, 0));
    expect(failed?.message).toMatch(/ENOSPC/);
  });
});

test("two cards of a name are told apart; one that is connected again is the same", () => {
  const path = join(folder, "two");
  const recorder = new SessionRecorder(path);
  const at = (place: string): Transport => {
    const { transport } = blank();
    return {
      name: place,
      extendedLength: true,
      transmit: (bytes) => transport.transmit(bytes),
      reset: () => undefined,
      close: () => undefined,
    };
  };
  for (const place of ["one reader", "another", "one reader"])
    recorder.wrap(at(place), "card").transmit(Uint8Array.of(0, 0x99, 0, 0));
  const exchange = "> 00 99 00 00\n< 6D 00\n";
  expect(readFileSync(path, "utf8")).toBe(`@card\n${exchange}@card-2\n${exchange}@card\n${exchange}`);
});

test("TALLY_RECORD records all cards of a process into one session; without it nothing is between", () => {
  const path = join(folder, "environment");
  const [one, other] = [blank().transport, blankTarget("purse", "7").transport];
  expect(recordedByEnvironment(one, "module", {})).toBe(one);
  expect(recordedByEnvironment(one, "module", { TALLY_RECORD: "" })).toBe(one);
  const environment = { TALLY_RECORD: path };
  const first = recordedByEnvironment(one, "Alice.module", environment);
  const second = recordedByEnvironment(other, "purse", environment);
  for (const each of [first, second, first]) each.transmit(Uint8Array.of(0, 0x99, 0, 0));
  const exchange = "> 00 99 00 00\n< 6D 00\n";
  expect(readFileSync(path, "utf8")).toBe(`@alice-module\n${exchange}@purse\n${exchange}@alice-module\n${exchange}`);
  expect(parseSession(readFileSync(path, "utf8"))).toHaveLength(9);
});
