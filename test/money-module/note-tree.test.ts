/**
 * The note transfer tree: notes that were duplicated, divided and put together again. WO 96/41315 fig. 20, steps
 * 1598-1604; docs/PROTOCOLS.md, section 4.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import { encodeNote } from "../../host/codec/note.js";
import { abortReason, noticeNames } from "../support/cheating-module.js";
import { type Held, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;
let bank: ModuleDevice;

beforeAll(async () => {
  cheats = await NoteCheats.create("note tree");
  ({ alice, bank } = cheats);
});

beforeEach(() => cheats.restore());

describe("the note transfer tree (1598-1604)", () => {
  test("the same record twice", async () => {
    for (const victim of [alice, bank]) {
      const { parts, key } = cheats.offered(victim);
      await cheats.takes(victim, parts, VALUE, key);
      await cheats.refuses(victim, [parts], VALUE, r.REASON_DUPLICATE);
    }
  });

  test("the same record twice, when the note has gone again meanwhile", async () => {
    const { parts, key } = cheats.offered(alice);
    await cheats.takes(alice, parts, VALUE, key);
    await cheats.spendAll(alice, cheats.friend);
    expect(await alice.element.notes()).toEqual([]);
    await cheats.refuses(alice, [parts], VALUE, r.REASON_DUPLICATE);
  });

  test("two records under one counter", async () => {
    const mine = cheats.held();
    const part = (amount: bigint) =>
      cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount, counter: 500n });
    const first = part(1_000n);
    await cheats.takes(alice, first.parts, 1_000n, first.key);
    await cheats.refuses(alice, [part(1_001n).parts], 1_001n, r.REASON_DUPLICATE);
  });

  test("two records under one counter, when the first has gone again meanwhile", async () => {
    const mine = cheats.held();
    const part = () => cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, counter: 501n });
    const first = part();
    await cheats.takes(alice, first.parts, VALUE, first.key);
    await cheats.spendAll(alice, cheats.friend);
    await cheats.refuses(alice, [part().parts], VALUE, r.REASON_DUPLICATE);
  });

  test("two parts that add up to more than the whole", async () => {
    const mine = cheats.held();
    const part = (amount: bigint) =>
      cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount });
    const first = part(6_000n);
    await cheats.takes(alice, first.parts, 6_000n, first.key);
    await cheats.refuses(alice, [part(4_001n).parts], 4_001n, r.REASON_DUPLICATE);
    const rest = part(4_000n);
    await cheats.takes(alice, rest.parts, 4_000n, rest.key);
  });

  test("three parts that add up to more than the whole, the third within one packet with another note", async () => {
    const mine = cheats.held();
    const key = new Uint8Array(32).fill(5);
    const part = (amount: bigint, parts = mine) =>
      cheats.pass(parts.parts, parts.key, { by: cheats.cheat, to: alice.element.id, amount, key });
    for (const amount of [5_000n, 3_000n]) await cheats.takes(alice, part(amount).parts, amount, key);
    await cheats.refuses(
      alice,
      [part(VALUE, cheats.held()).parts, part(2_001n).parts],
      VALUE + 2_001n,
      r.REASON_DUPLICATE,
    );
    await cheats.takes(alice, part(2_000n).parts, 2_000n, key);
  });

  test("parts within one packet that add up to more than the whole", async () => {
    const mine = cheats.held();
    const key = new Uint8Array(32).fill(5);
    const part = (amount: bigint) =>
      cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount, key }).parts;
    await cheats.refuses(alice, [part(6_000n), part(4_001n)], 10_001n, r.REASON_DUPLICATE);
  });

  test("parts that went different ways before they add up to more than the whole", async () => {
    const mine = cheats.held();
    const roundabout = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: cheats.friend.id, amount: 6_000n });
    const direct = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount: 6_000n });
    await cheats.takes(alice, direct.parts, 6_000n, direct.key);
    const part = cheats.pass(roundabout.parts, roundabout.key, { by: cheats.friend, to: alice.element.id, amount: 1n });
    const before = await cheats.state(alice);
    const session = await cheats.agreed(alice, usd(1n), cheats.friend);
    expect(abortReason(await session.note(0, 1, encodeNote(part.parts)))).toBe(r.REASON_DUPLICATE);
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("several parts of one branch count once", async () => {
    const mine = cheats.held();
    const branch = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: cheats.friend.id, amount: 6_000n });
    for (const amount of [1_000n, 2_000n]) {
      const part = cheats.pass(branch.parts, branch.key, { by: cheats.friend, to: alice.element.id, amount });
      const session = await cheats.agreed(alice, usd(amount), cheats.friend);
      expect(session.heard(await session.note(0, 1, encodeNote(part.parts)))).toEqual([[m.MODULE_READY]]);
      expect(noticeNames(await session.key(part.key))).toEqual(["received"]);
    }
    const rest = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount: 4_000n });
    await cheats.takes(alice, rest.parts, 4_000n, rest.key);
  });

  test("two branches that end alike are still two: a third that fits beside one of them is refused", async () => {
    const mine = cheats.held();
    const [one, two] = alikeBranches(mine, 4_000n);
    await viaFriend(one, 1n, "received");
    await viaFriend(two, 1n, "received");
    const third = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount: 2_001n });
    await cheats.refuses(alice, [third.parts], 2_001n, r.REASON_DUPLICATE);
    const fits = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount: 2_000n });
    await cheats.takes(alice, fits.parts, 2_000n, fits.key);
  });
});

/** A part of what friend holds, to alice. */
async function viaFriend(branch: Held, amount: bigint, outcome: "received" | number): Promise<void> {
  const part = cheats.pass(branch.parts, branch.key, { by: cheats.friend, to: alice.element.id, amount });
  const session = await cheats.agreed(alice, usd(amount), cheats.friend);
  const reply = await session.note(0, 1, encodeNote(part.parts));
  if (outcome !== "received") return expect(abortReason(reply)).toBe(outcome);
  expect(noticeNames(await session.key(part.key))).toEqual(["received"]);
}

/** Two records of the cheat for its friend whose signatures end in the same four bytes: it may sign as often as it likes. */
function alikeBranches(mine: Held, amount: bigint): [Held, Held] {
  const seen = new Map<number, Held>();
  for (;;) {
    const branch = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: cheats.friend.id, amount });
    const record = branch.parts.entries.at(-1)?.record as Uint8Array;
    const end = new DataView(record.buffer, record.byteOffset + record.length - 4).getUint32(0);
    const other = seen.get(end);
    if (other !== undefined) return [other, branch];
    seen.set(end, branch);
  }
}
