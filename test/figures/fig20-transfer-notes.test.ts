/**
 * WO 96/41315 fig. 20, Transfer Notes, as it goes when every note is good. What is refused at steps 1578-1604, case by case:
 * test/money-module/notes.test.ts, messages.test.ts and note-tree.test.ts; the choice of step 1566 against an exhaustive search:
 * test/note-choice.test.ts.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TYPE_SALE } from "../../firmware/protocol/messages.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { toHex } from "../../host/codec/bytes.js";
import { type Note, readNote, verifyNote } from "../../host/codec/note.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { sha256 } from "../../host/crypto.js";
import { parseMoney } from "../../host/units.js";
import { noteKey } from "../support/bound-locks.js";
import { dollars, FigureStage, ModuleStage } from "../support/figures-stage.js";
import { trade } from "../support/purchase.js";
import { START_SECONDS } from "../support/virtual-time.js";

const NOW = Number(START_SECONDS);

let stage: ModuleStage;

beforeAll(async () => {
  stage = await ModuleStage.create("figure 20");
});
beforeEach(() => stage.reset());

async function transfer(money: string, from = stage.A, to = stage.B): Promise<Note[]> {
  stage.story.clear();
  const [near, far] = inProcessLink();
  const receiving = receive(to.device, far);
  await stage.world.time.run(Promise.all([pay(from.device, near, parseMoney(money)), receiving]));
  return packet(from.device.name);
}

/** Notes of the packet, as they went. */
function packet(from: string): Note[] {
  return stage.story.sent(`${from} module>peer NOTE`).map(({ layers }) => readNote(layers[0]?.items[2] as Uint8Array));
}

function amounts(notes: readonly Note[]): bigint[] {
  return notes.map(({ entries }) => entries.at(-1)?.amount ?? 0n);
}

describe("step 1566: X chooses notes and values, and updates amounts and sequence numbers", () => {
  it.each([
    ["50.00 USD", 1],
    ["55.00 USD", 2],
    ["72.00 USD", 3],
    ["84.99 USD", 4],
  ])("%s: as few notes as can be: %i", async (money, count) => {
    const before = await dollars(stage.A.device);
    const notes = await transfer(money);
    const sum = amounts(notes).reduce((total, amount) => total + amount, 0n);
    expect(sum).toBe(parseMoney(money).amount);
    expect(notes).toHaveLength(count);
    expect(await dollars(stage.A.device)).toBe(before - sum);
  });

  it.each(["55.00 USD", "60.00 USD", "72.00 USD"])(
    "%s: all of them go whole but one, whose rest stays",
    async (money) => {
      const before = new Map((await stage.A.element.notes()).map((note) => [note.place, note.money.amount]));
      const sent = amounts(await transfer(money));
      const after = new Map((await stage.A.element.notes()).map((note) => [note.place, note.money.amount]));
      const touched = [...before].filter(([place, amount]) => after.get(place) !== amount);
      expect(touched).toHaveLength(sent.length);
      const rests = touched.flatMap(([place]) => after.get(place) ?? []);
      expect(rests.length).toBeLessThanOrEqual(1);
      const gone = touched.map(([place, amount]) => amount - (after.get(place) ?? 0n));
      const sorted = (list: bigint[]) => list.map(Number).sort((a, b) => a - b);
      expect(sorted(gone)).toEqual(sorted(sent));
    },
  );

  it("sequence numbers: every transfer of X has a higher counter than the one before, within a packet and after it", async () => {
    const first = await transfer("72.00 USD");
    const second = await transfer("1.00 USD");
    const counters = [...first, ...second].map(({ entries }) => entries.at(-1)?.counter ?? 0n);
    expect(counters).toHaveLength(4);
    for (let i = 1; i < counters.length; i += 1) expect(counters[i]).toBeGreaterThan(counters[i - 1] as bigint);
  });
});

describe("steps 1568-1576: transfers, signatures, packet", () => {
  it("step 1568: each note has one transfer more: from X to Y, over what was there, of this date", async () => {
    const notes = await transfer("72.00 USD");
    for (const { entries } of notes) {
      // Generator to teller, teller to A, A to B.
      expect(entries).toHaveLength(3);
      const last = entries.at(-1);
      expect(last?.transferor).toEqual(stage.A.element.id);
      expect(last?.transferee).toEqual(stage.B.element.id);
      expect(last?.before).toEqual(sha256(entries[1]?.record as Uint8Array));
      expect(last?.date).toBeGreaterThanOrEqual(NOW);
    }
  });

  it("step 1570: every signature is good, by a host's own check of the whole history", async () => {
    const notes = await transfer("72.00 USD");
    for (const note of notes) {
      const { holder, amount } = verifyNote(note, stage.world.agencies.modules.root, { now: NOW + 1 });
      expect(holder).toEqual(stage.B.element.id);
      expect(amount).toBe(note.entries.at(-1)?.amount);
    }
  });

  it("steps 1572-1576: the packet goes one note a message, each asked for when the one before was verified", async () => {
    await transfer("72.00 USD");
    const said = stage.story.sent("A module>peer", "B module>peer");
    const from = said.findIndex(({ text }) => text === "B module>peer AMOUNT_CORRECT");
    expect(
      said.slice(from, from + 7).map(({ text, layers }) => [text, ...(layers[0]?.items.slice(0, 2) ?? [])]),
    ).toEqual([
      ["B module>peer AMOUNT_CORRECT"],
      ["A module>peer NOTE", 0, 3],
      ["B module>peer NEXT", 0],
      ["A module>peer NOTE", 1, 3],
      ["B module>peer NEXT", 1],
      ["A module>peer NOTE", 2, 3],
      ["B module>peer READY"],
    ]);
  });

  it("the transfer on offer is locked: its key is in no message before X's commit, and is what the lock was made of", async () => {
    const [note] = await transfer("50.00 USD");
    const shown = stage.story.step("A module>peer KEY").layers[0]?.items[0] as Uint8Array;
    const [payment] = await stage.A.element.log();
    const key = noteKey(payment?.payId as Uint8Array, shown);
    expect(note?.entries.at(-1)?.key).toBeNull();
    expect(note?.entries.at(-1)?.lock).toEqual(sha256(key));
    expect(note?.entries.slice(0, -1).map((entry) => entry.key?.length)).toEqual([32, 32]);
  });
});

describe("steps 1606-1608: Y places the notes", () => {
  it("with their amounts, one transfer older, the rest of what they say unchanged", async () => {
    const before = new Map((await stage.A.element.notes()).map((note) => [toHex(note.noteId), note]));
    const notes = await transfer("72.00 USD");
    const placed = await stage.B.element.notes();
    const byId = new Map(notes.map((note) => [toHex(note.body.id), note.entries.at(-1)?.amount]));
    expect(new Map(placed.map(({ noteId, money }) => [toHex(noteId), money.amount]))).toEqual(byId);
    for (const note of placed) {
      const old = before.get(toHex(note.noteId));
      expect(note).toMatchObject({ expiry_seconds: old?.expiry_seconds, hops: (old?.hops ?? 0) + 1, spendable: true });
    }
  });

  it("and can pass them on at once, in part and with the whole history", async () => {
    await transfer("50.00 USD");
    const [note] = await transfer("20.00 USD", stage.B, stage.A);
    expect(note?.entries.map(({ amount }) => amount)).toEqual([5000n, 5000n, 5000n, 2000n]);
    expect([await dollars(stage.A.device), await dollars(stage.B.device)]).toEqual([5500n, 3000n]);
  });
});

it("in a sale the packet takes the E-routed way (step 630)", async () => {
  const agents = await FigureStage.create("figure 20, agents");
  await trade(agents.world, agents.A, agents.B, { type: TYPE_SALE });
  const { layers } = agents.story.step("A agent>peer INNER(NOTE)");
  const note = readNote(layers[1]?.items[2] as Uint8Array);
  expect(note.entries.at(-1)).toMatchObject({ amount: 1000n, transferee: agents.B.device.module.id });
  const [placed] = (await agents.B.device.module.notes()).filter(({ noteId }) => toHex(noteId) === toHex(note.body.id));
  expect(placed?.money.amount).toBe(1000n);
});
