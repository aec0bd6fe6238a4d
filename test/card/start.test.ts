/** `tally card start`, as a shell starts it, against virtual readers in this process. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { aidOf } from "../../host/applets.js";
import { toHex } from "../../host/codec/bytes.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { bytesOf, select } from "../support/cards.js";
import { tally, unpackHome } from "../support/homes.js";
import { type CardSlot, VirtualReader } from "../support/virtual-reader.js";

const MAIN = join(import.meta.dirname, "../../dist/host/cli/main.js");
const INFORMATION = bytesOf("00 ca df 01 00");

let home: string;
const readers: VirtualReader[] = [];
const cards: Started[] = [];

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "tallystick-test-"));
  unpackHome(home);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));
afterEach(async () => {
  for (const card of cards.splice(0)) await card.end();
  for (const reader of readers.splice(0)) await reader.close();
});

/** With pipes for all three streams. */
class Started {
  readonly ended: Promise<{ readonly code: number | null; readonly err: string }>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #wake: () => void = () => undefined;
  #isOver = false;

  constructor(...words: string[]) {
    const child = spawn(process.execPath, [MAIN, "--home", home, ...words], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    cards.push(this);
    let err = "";
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    this.ended = new Promise((resolve) => {
      child.on("close", (code) => {
        this.#isOver = true;
        this.#wake();
        resolve({ code, err });
      });
    });
  }

  /** The next line that fits. */
  async line(fits: RegExp): Promise<string> {
    for (;;) {
      const at = this.#lines.findIndex((line) => fits.test(line));
      if (at >= 0) return this.#lines.splice(0, at + 1).at(-1) ?? "";
      if (this.#isOver)
        throw new Error(`it ended without ${fits}: ${this.#lines.join("\n")} ${(await this.ended).err}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async event(kind: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.line(new RegExp(`"event":"${kind}"`))) as Record<string, unknown>;
  }

  say(text: string): void {
    this.#child.stdin?.write(text);
  }

  closeInput(): void {
    this.#child.stdin?.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** Readers whose ports follow one another. */
async function twoReaders(): Promise<readonly [VirtualReader, VirtualReader]> {
  for (;;) {
    const first = new VirtualReader();
    await first.open();
    const second = new VirtualReader(first.place.port + 1);
    try {
      await second.open();
      readers.push(first, second);
      return [first, second];
    } catch {
      await first.close(); // Somebody has the next port.
    }
  }
}

async function oneReader(): Promise<VirtualReader> {
  const reader = new VirtualReader();
  await reader.open();
  readers.push(reader);
  return reader;
}

const startAt = ({ place }: VirtualReader, ...words: string[]) =>
  new Started("--json", "card", "start", ...words, "--host", place.host, "--port", String(place.port));

async function chosen(slot: CardSlot, applet: number): Promise<string> {
  return toHex((await slot.askBytes(select(aidOf(applet)))).subarray(-2));
}

describe("tally card start", () => {
  test("puts a card for each owner into readers that follow one another, and ends in good order", async () => {
    const [first, second] = await twoReaders();
    const started = startAt(first, "alice", "bob", "alice");
    const at = (index: number) => `127.0.0.1:${first.place.port + index}`;
    expect(await started.event("ready")).toEqual({
      event: "ready",
      protocol: "t1",
      cards: [
        { card: 1, owner: "alice", chips: ["agent", "module"], place: at(0) },
        { card: 2, owner: "bob", chips: ["agent", "module"], place: at(1) },
      ],
    });
    const [alice, bob] = [await first.card(), await second.card()];
    for (const slot of [alice, bob]) {
      expect(await slot.ask(4)).toEqual(answerToReset("T=1"));
      slot.send(1);
      expect(await chosen(slot, AID_TRUSTED_AGENT)).toBe("9000");
      expect(await chosen(slot, AID_MONEY_MODULE)).toBe("9000");
      expect(await chosen(slot, AID_PURSE)).toBe("6a82");
    }
    expect(await alice.askBytes(INFORMATION)).not.toEqual(await bob.askBytes(INFORMATION));
    expect(await started.event("powered")).toMatchObject({ owner: expect.stringMatching(/alice|bob/) });
    started.signal("SIGTERM");
    expect(await started.ended).toEqual({ code: 0, err: "" });
    await alice.closed;
    // The chips are free again.
    expect((await tally("--home", home, "wallet", "balance", "alice")).code).toBe(0);
  });

  test("--split gives each chip a card", async () => {
    const [first, second] = await twoReaders();
    const started = startAt(first, "alice", "--split");
    expect(await started.event("ready")).toMatchObject({ cards: [{ chips: ["agent"] }, { chips: ["module"] }] });
    const [agent, module] = [await first.card(), await second.card()];
    for (const slot of [agent, module]) slot.send(1);
    expect([await chosen(agent, AID_TRUSTED_AGENT), await chosen(agent, AID_MONEY_MODULE)]).toEqual(["9000", "6a82"]);
    expect([await chosen(module, AID_TRUSTED_AGENT), await chosen(module, AID_MONEY_MODULE)]).toEqual(["6a82", "9000"]);
  });

  test("--blank needs no home; --protocol t0 is in the answer to reset", async () => {
    const reader = await oneReader();
    const words = ["--blank", "purse", "money-module", "--protocol", "t0"];
    const started = startAt(reader, ...words, "--home", join(home, "nowhere"));
    expect(await started.event("ready")).toMatchObject({
      protocol: "t0",
      cards: [{ card: 1, owner: null, chips: ["purse", "module"] }],
    });
    const slot = await reader.card();
    expect(await slot.ask(4)).toEqual(answerToReset("T=0"));
    slot.send(1);
    expect(await chosen(slot, AID_PURSE)).toMatch(/^61/);
    expect(await chosen(slot, AID_TRUSTED_AGENT)).toBe("6a82");
  });

  test("waits where no reader listens, says so at once and once, and goes on when one does", async () => {
    const reader = await oneReader();
    await reader.close();
    const { port } = reader.place;
    const started = new Started("card", "start", "--blank", "purse", "--host", "127.0.0.1", "--port", String(port));
    expect(await started.line(/./)).toBe(`card 1: blank purse, for the reader at 127.0.0.1:${port}`);
    expect(await started.line(/there is no reader/)).toMatch(/there is no reader at .*tally card doctor/);
    await reader.open();
    expect(await started.line(/./)).toMatch(/card 1: inserted: the reader at/);
    const slot = await reader.card();
    slot.send(1);
    expect(await chosen(slot, AID_PURSE)).toBe("9000");
    expect(await started.line(/./)).toBe("card 1: powered");
  });

  test("is steered by lines on its input: remove, insert, reset, status, quit", async () => {
    const reader = await oneReader();
    const started = startAt(reader, "alice");
    const slot = await reader.card();
    slot.send(1);
    expect(await chosen(slot, AID_MONEY_MODULE)).toBe("9000");
    started.say("reset\n");
    expect(await started.event("power-cut")).toMatchObject({ card: 1, wasOn: true });
    expect(toHex(await slot.askBytes(INFORMATION))).toBe("6985");
    started.say("status 1\n");
    expect(await started.event("status")).toMatchObject({ owner: "alice", state: "inserted", powered: true });
    started.say("remove 1\n");
    await started.event("removed");
    await slot.closed;
    started.say("reset 1\nstatus\n");
    expect(await started.event("power-cut")).toMatchObject({ wasOn: false });
    expect(await started.event("status")).toMatchObject({ state: "out", powered: false });
    started.say("insert\n");
    await started.event("inserted");
    await (await reader.card()).ask(4);
    for (const [line, message] of [
      ["remove 2", /no such card/],
      ["remove one", /no such card/],
      ["dance", /^Understood are: insert, remove, reset, status, quit/],
      ["dance 7 8", /^Understood are/],
      ["reset 1 2", /takes one number/],
    ] as const) {
      started.say(`${line}\n`);
      expect(await started.event("not-understood")).toEqual({
        event: "not-understood",
        line,
        message: expect.stringMatching(message),
      });
    }
    started.say("  quit  \n");
    expect(await started.ended).toEqual({ code: 0, err: "" });
  });

  test.skipIf(existsSync("/dev/uhid"))("--usb says that cards are ready when they are, and not before", async () => {
    expect(await tally("card", "start", "--blank", "purse", "--usb")).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(/no virtual USB devices.*no money moved/),
    });
  });

  test("goes on when its input ends", async () => {
    const reader = await oneReader();
    const started = startAt(reader, "--blank", "purse");
    const slot = await reader.card();
    started.closeInput();
    slot.send(1);
    expect(await chosen(slot, AID_PURSE)).toBe("9000");
    started.signal("SIGINT");
    expect((await started.ended).code).toBe(0);
  });

  test("--delay makes the chip slow", async () => {
    const reader = await oneReader();
    startAt(reader, "--blank", "purse", "--delay", "300");
    const slot = await reader.card();
    slot.send(1);
    const askedAt_ms = performance.now();
    expect(await chosen(slot, AID_PURSE)).toBe("9000");
    expect(performance.now() - askedAt_ms).toBeGreaterThan(290);
  });

  test("refuses what makes no sense, and owners that there are not; nothing is started", async () => {
    const refused = async (...words: string[]) => tally("--home", home, "card", "start", ...words);
    expect(await refused()).toMatchObject({ code: 2, err: expect.stringMatching(/Say whose chips/) });
    expect(await refused("nobody")).toMatchObject({ code: 1, err: expect.stringMatching(/no device "nobody"/) });
    expect(await refused("alice", "bob", "--port", "65535")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/too few ports/),
    });
    for (const words of [
      ["--blank", "wallet"],
      ["--protocol", "t2"],
      ["--delay", "-1"],
      ["--delay", "1e3"],
      ["--port", "x"],
      ["--port", "0"],
      ["--host", ""],
    ]) {
      expect((await refused("alice", ...words)).code, words.join(" ")).toBe(2);
    }
    // None of them kept the chips.
    expect((await tally("--home", home, "wallet", "balance", "alice")).code).toBe(0);
  });
});
