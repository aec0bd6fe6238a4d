/**
 * Messages of a payment that no honest peer sends, or not then: proposals, packets, the last messages. What was wrong ends
 * the session for its own reason, and the store is as before. docs/PROTOCOLS.md, section 5.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { MEMO_BYTES_MAX, PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import { encodeNote } from "../../host/codec/note.js";
import { command } from "../../host/commands.js";
import { abortReason, CheatingSession, deliver, noticeNames, type Reply } from "../support/cheating-module.js";
import { NoteCheats, type Step, usd, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;

beforeAll(async () => {
  cheats = await NoteCheats.create("messages");
  ({ alice } = cheats);
});

beforeEach(() => cheats.restore());

describe("packets", () => {
  const key = new Uint8Array(32).fill(9);
  const note = (amount: bigint, last: Partial<Step> = {}) => {
    const mine = cheats.held();
    return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount, key, ...last }).parts;
  };

  test("an honest one of the most notes there may be is taken whole", async () => {
    const notes = Array.from({ length: PACKET_NOTES_MAX }, (_, i) => note(BigInt(i + 1)));
    const reply = await cheats.pay(alice, notes, 36n, key);
    expect(noticeNames(reply)).toEqual(["received"]);
    expect((await alice.element.balances())[0]?.spendable).toBe(36n);
  });

  test("two locks in it", async () => {
    const other = new Uint8Array(32).fill(8);
    await cheats.refuses(alice, [note(100n), note(100n, { key: other })], 200n, r.REASON_NOTE_INVALID);
  });

  test("counters that do not rise", async () => {
    await cheats.refuses(alice, [note(100n, { counter: 9n }), note(100n, { counter: 9n })], 200n, r.REASON_DUPLICATE);
    await cheats.refuses(alice, [note(100n, { counter: 9n }), note(100n, { counter: 8n })], 200n, r.REASON_DUPLICATE);
  });

  test("too little in all, and too much, at the first note and at the last", async () => {
    await cheats.refuses(alice, [note(99n)], 100n, r.REASON_WRONG_AMOUNT);
    await cheats.refuses(alice, [note(101n)], 100n, r.REASON_WRONG_AMOUNT);
    await cheats.refuses(alice, [note(50n), note(49n)], 100n, r.REASON_WRONG_AMOUNT);
    await cheats.refuses(alice, [note(50n), note(51n)], 100n, r.REASON_WRONG_AMOUNT);
    await cheats.refuses(alice, [note(100n), note(1n)], 100n, r.REASON_WRONG_AMOUNT);
  });

  const numbers: readonly (readonly [string, readonly (readonly [number, number])[], number])[] = [
    ["begins with the second", [[1, 2]], r.REASON_UNEXPECTED],
    [
      "skips an index",
      [
        [0, 3],
        [2, 3],
      ],
      r.REASON_UNEXPECTED,
    ],
    [
      "says an index twice",
      [
        [0, 3],
        [0, 3],
      ],
      r.REASON_UNEXPECTED,
    ],
    [
      "changes its count in the middle",
      [
        [0, 3],
        [1, 4],
      ],
      r.REASON_UNEXPECTED,
    ],
    ["has no notes", [[0, 0]], r.REASON_TOO_MANY_NOTES],
    ["has too many notes", [[0, PACKET_NOTES_MAX + 1]], r.REASON_TOO_MANY_NOTES],
    ["has a number of notes beyond 32 bits", [[0, 2 ** 32 + 1]], r.REASON_TOO_MANY_NOTES],
    ["has an index beyond 32 bits", [[2 ** 32, 3]], r.REASON_UNEXPECTED],
  ];
  test.each(numbers)("that %s", async (_name, messages, reason) => {
    const before = await cheats.state(alice);
    const session = await cheats.agreed(alice, usd(1_000n));
    let reply: Reply | undefined;
    for (const [index, count] of messages) reply = await session.note(index, count, encodeNote(note(100n)));
    expect(abortReason(reply as Reply)).toBe(reason);
    expect(await cheats.state(alice)).toEqual(before);
  });
});

describe("the last messages", () => {
  test("a wrong key leaves the payee in doubt, and the notes unspendable; nothing else is lost", async () => {
    const { parts } = cheats.offered(alice);
    const session = await cheats.agreed(alice, usd(VALUE));
    expect(session.heard(await session.note(0, 1, encodeNote(parts)))).toEqual([[m.MODULE_READY]]);
    const reply = await session.key(new Uint8Array(32).fill(1));
    expect(noticeNames(reply)).toEqual(["doubt"]);
    expect((await alice.element.pending()).map((each) => each.state)).toEqual(["in doubt"]);
    const [balance] = await alice.element.balances();
    expect(balance).toMatchObject({ inDoubt: VALUE, spendable: 0n });
    const order = await deliver(alice.element, command.pay(usd(1n), null));
    expect(abortReason(order)).toBe(r.REASON_INSUFFICIENT_FUNDS);
  });

  test("nothing new begins with a payer while a payment of it is in doubt", async () => {
    const session = await cheats.agreed(alice, usd(VALUE));
    await session.note(0, 1, encodeNote(cheats.offered(alice).parts));
    await session.key(new Uint8Array(32));
    await deliver(alice.element, command.listen());
    const reply = await new CheatingSession(cheats.cheat, alice.element, true).initiate();
    expect(abortReason(reply)).toBe(r.REASON_PENDING);
  });

  test("a key of another length aborts nothing that is in doubt", async () => {
    for (const length of [0, 31, 33]) {
      cheats.restore();
      const session = await cheats.agreed(alice, usd(VALUE));
      await session.note(0, 1, encodeNote(cheats.offered(alice).parts));
      expect(noticeNames(await session.key(new Uint8Array(length)))).toEqual(["doubt"]);
      expect((await alice.element.pending()).map((each) => each.state)).toEqual(["in doubt"]);
    }
  });

  test("a key before Ready", async () => {
    const before = await cheats.state(alice);
    const { parts, key } = cheats.offered(alice, { amount: 100n });
    const first = await cheats.agreed(alice, usd(VALUE));
    expect(abortReason(await first.key(key))).toBe(r.REASON_UNEXPECTED);
    const second = await cheats.agreed(alice, usd(200n));
    expect(session0(second, await second.note(0, 2, encodeNote(parts)))).toEqual([m.MODULE_NEXT, 0]);
    expect(abortReason(await second.key(key))).toBe(r.REASON_UNEXPECTED);
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("a second Ready commits nothing a second time", async () => {
    const { parts, key } = cheats.offered(alice);
    await cheats.takes(alice, parts, VALUE, key);
    const session = new CheatingSession(cheats.friend, alice.element, false);
    await session.respond(await deliver(alice.element, command.pay(usd(4_000n), null)));
    await session.correct();
    expect(session0(session, await session.ready())[0]).toBe(m.MODULE_KEY);
    const committed = await cheats.state(alice);
    expect(noticeNames(await session.ready())).toEqual(["done"]);
    expect(await cheats.state(alice)).toEqual(committed);
    expect(committed.balances[0]?.spendable).toBe(6_000n);
    expect(committed.pending.map((each) => each.state)).toEqual(["committed"]);
  });

  test("Ready before the last note, Next beyond it, Next for another", async () => {
    const { parts, key } = cheats.offered(alice, { amount: 5_000n });
    await cheats.takes(alice, parts, 5_000n, key);
    const other = cheats.offered(alice, { amount: 5_000n });
    await cheats.takes(alice, other.parts, 5_000n, other.key);
    const answers: readonly ((session: CheatingSession) => Promise<Reply>)[] = [
      (session) => session.ready(),
      (session) => session.next(1),
      async (session) => {
        await session.next(0);
        return session.next(1);
      },
      (session) => session.say(m.MODULE_NEXT, 2 ** 32),
      (session) => session.confirm(),
    ];
    for (const answer of answers) {
      const before = { notes: await alice.element.notes(), balances: await alice.element.balances() };
      const session = new CheatingSession(cheats.friend, alice.element, false);
      await session.respond(await deliver(alice.element, command.pay(usd(7_000n), null)));
      expect(session0(session, await session.correct()).slice(0, 3)).toEqual([m.MODULE_NOTE, 0, 2]);
      expect(abortReason(await answer(session))).toBe(r.REASON_UNEXPECTED);
      expect({ notes: await alice.element.notes(), balances: await alice.element.balances() }).toEqual(before);
      expect(await alice.element.pending()).toEqual([]);
    }
  });
});

describe("proposals", () => {
  const refused: readonly (readonly [string, readonly (number | bigint | Uint8Array | string | null)[], number])[] = [
    ["of nothing", [0, 840, 2, null], r.REASON_AMOUNT_ZERO],
    ["of 2^63", [2n ** 63n, 840, 2, null], r.REASON_AMOUNT_TOO_LARGE],
    ["of an unknown currency", [1, 1000, 2, null], r.REASON_UNKNOWN_UNIT],
    ["of no currency", [1, 0, 2, null], r.REASON_UNKNOWN_UNIT],
    ["of an unknown exponent", [1, 840, 10, null], r.REASON_UNKNOWN_UNIT],
    ["of a currency beyond 32 bits", [1, 2 ** 32 + 840, 2, null], r.REASON_UNKNOWN_UNIT],
    ["with a huge memo", [1, 840, 2, new Uint8Array(MEMO_BYTES_MAX + 1)], r.REASON_MALFORMED],
    ["with a very huge memo", [1, 840, 2, new Uint8Array(6_000)], r.REASON_MALFORMED],
    ["with text for a memo", [1, 840, 2, "memo"], r.REASON_MALFORMED],
    ["with a negative amount", [-1, 840, 2, null], r.REASON_MALFORMED],
    ["that is too short", [1, 840, 2], r.REASON_UNEXPECTED],
    ["that is too long", [1, 840, 2, null, null], r.REASON_UNEXPECTED],
  ];
  test.each(refused)("%s", async (_name, terms, reason) => {
    const before = await cheats.state(alice);
    await deliver(alice.element, command.listen());
    const session = new CheatingSession(cheats.cheat, alice.element, true);
    await session.initiate();
    expect(abortReason(await session.say(m.MODULE_PROPOSE, ...terms))).toBe(reason);
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("to a subscriber who is asked for money as if it were a bank", async () => {
    await deliver(alice.element, command.listen());
    const session = new CheatingSession(cheats.cheat, alice.element, true);
    await session.initiate();
    const reply = await session.say(m.MODULE_REQUEST, 1, 840, 2, null);
    expect(abortReason(reply)).toBe(r.REASON_NOT_PERMITTED);
  });

  test("to a cheats.generator, which never takes money", async () => {
    const mint = await cheats.world.module("mint", ROLE_GENERATOR);
    await deliver(mint.element, command.listen());
    const session = new CheatingSession(cheats.teller, mint.element, true);
    await session.initiate();
    expect(abortReason(await session.propose(usd(1n)))).toBe(r.REASON_NOT_PERMITTED);
  });
});

function session0(session: CheatingSession, reply: Reply) {
  return session.heard(reply)[0] ?? [];
}
