/**
 * PAY NOTES: notes that the host names go whole, to a teller and to nobody else, also those that no subscriber takes any more; and
 * what a module says of them (docs/PROTOCOLS.md, sections 4 and 7; docs/APDU.md).
 */

import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { HOPS_MAX, MEMO_BYTES_MAX, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import { receive } from "../../host/applications/receive.js";
import { runTransfer } from "../../host/applications/transfer.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { encodeNote, type NoteDraft } from "../../host/codec/note.js";
import { command, hostEnvelope } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { Rests } from "../../host/element-data.js";
import { unitOf } from "../../host/units.js";
import { abortReason, CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { DAY, type Held, NOW, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

const EXPIRY = NOW + 30 * DAY;
const FINAL = NOW + 60 * DAY;
const EURO = unitOf("EUR");
const MEMO = new TextEncoder().encode("somewhere");

let cheats: NoteCheats;
let alice: ModuleDevice;
let bank: ModuleDevice;
/** Alice with three notes of dollars, one of euros, and one of dollars that has come as far as it may. */
let rich: Uint8Array;

async function takes(held: Held, unit = usd(VALUE).unit, payer = cheats.cheat): Promise<void> {
  const session = await cheats.agreed(alice, { amount: VALUE, unit }, payer);
  expect(session.heard(await session.note(0, 1, encodeNote(held.parts)))).toEqual([[m.MODULE_READY]]);
  expect(noticeNames(await session.key(held.key))).toEqual(["received"]);
}

const offered = (change: Partial<NoteDraft> = {}) => cheats.offered(alice, {}, change);

beforeAll(async () => {
  cheats = await NoteCheats.create("pay notes");
  ({ alice, bank } = cheats);
  for (let i = 0; i < 3; i += 1) await takes(offered());
  await takes(offered({ unit: EURO }), EURO);
  await takes(cheats.walked(alice, HOPS_MAX - 1));
  rich = alice.simulated.snapshot();
});

beforeEach(() => {
  cheats.restore();
  alice.simulated.restore(rich);
  cheats.teller.now_seconds = NOW;
  cheats.friend.now_seconds = NOW;
});

const order = (...message: CborValue[]) => deliver(alice.element, hostEnvelope(...message));
const payNotes = (...places: number[]) => deliver(alice.element, command.payNotes(places, MEMO));

async function at(seconds: number): Promise<void> {
  for (const each of [alice, bank]) await each.element.open(BigInt(seconds));
  cheats.teller.now_seconds = seconds;
  cheats.friend.now_seconds = seconds;
}

/** Every module hears that the cheat, through whose hands all but the walked note came last, is listed. */
async function list(): Promise<void> {
  const { modules } = cheats.world.agencies;
  for (const each of [alice, bank]) await each.element.putList(modules.badIdList(1n, NOW, [[cheats.cheat.id, 1]]));
}

const NONE: Rests = { expired: false, atHopLimit: false, listedAncestor: false, lapsed: false };
const rests = async () => (await alice.element.notes()).map((note) => note.rests);

describe("a note's record says why it rests", () => {
  test("a good one does not; one that only a teller's hands are left for does", async () => {
    expect(await rests()).toEqual([NONE, NONE, NONE, NONE, { ...NONE, atHopLimit: true }]);
  });

  test("expired from its expiry on, lapsed from its final redemption date on", async () => {
    await at(EXPIRY - 1);
    expect((await rests())[0]).toEqual(NONE);
    await at(EXPIRY);
    expect((await rests())[0]).toEqual({ ...NONE, expired: true });
    await at(FINAL - 1);
    expect((await rests())[0]).toEqual({ ...NONE, expired: true });
    await at(FINAL);
    expect((await rests())[0]).toEqual({ ...NONE, expired: true, lapsed: true });
  });

  test("with a listed ancestor, whether transferor, generator or security server", async () => {
    const { modules } = cheats.world.agencies;
    const listed = async (version: bigint, id: Uint8Array) => {
      await alice.element.putList(modules.badIdList(version, NOW, [[id, 1]]));
      return (await rests()).map(({ listedAncestor }) => listedAncestor);
    };
    expect(await listed(1n, cheats.cheat.id)).toEqual([true, true, true, true, true]);
    expect(await listed(2n, cheats.friend.id)).toEqual([false, false, false, false, true]);
    expect(await listed(3n, cheats.generator.id)).toEqual([true, true, true, true, true]);
    expect(await listed(4n, alice.element.id)).toEqual([false, false, false, false, false]);
  });
});

describe("named notes", () => {
  test("go whole, in one packet, and their sum is proposed; no other is touched", async () => {
    const session = new CheatingSession(cheats.teller, alice.element, false);
    const notes = await alice.element.notes();
    const proposed = await session.respond(await payNotes(0, 2, 4));
    expect(session.heard(proposed)).toEqual([[m.MODULE_PROPOSE, Number(3n * VALUE), 840, 2, MEMO]]);
    expect(session.heard(await session.correct())[0]?.slice(0, 3)).toEqual([m.MODULE_NOTE, 0, 3]);
    expect(session.heard(await session.next(0))[0]?.slice(0, 3)).toEqual([m.MODULE_NOTE, 1, 3]);
    expect(session.heard(await session.next(1))[0]?.slice(0, 3)).toEqual([m.MODULE_NOTE, 2, 3]);
    const sent = await session.ready();
    expect(sent.notices).toMatchObject([{ name: "sent", money: usd(3n * VALUE), memo: MEMO }]);
    await session.confirm();
    expect(await alice.element.notes()).toEqual([notes[1], notes[3]]);
    expect(await alice.element.pending()).toEqual([]);
  });

  test("are refused to a subscriber, and nothing has left", async () => {
    const before = await cheats.state(alice);
    const session = new CheatingSession(cheats.friend, alice.element, false);
    const reply = await session.respond(await payNotes(0));
    expect([abortReason(reply), session.heard(reply)]).toEqual([
      r.REASON_WRONG_ROLE,
      [[m.MODULE_ABORT, r.REASON_WRONG_ROLE]],
    ]);
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("are not what a payee that states an amount is paid with", async () => {
    const before = await cheats.state(alice);
    for (const peer of [cheats.teller, cheats.friend]) {
      const session = new CheatingSession(peer, alice.element, false);
      const reply = await session.respond(await payNotes(0), [null, null, [Number(VALUE), 840, 2, null]]);
      expect(abortReason(reply)).toBe(r.REASON_UNEXPECTED);
    }
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("cannot be worth another amount: a teller that says so ends it", async () => {
    const before = await cheats.state(alice);
    const session = new CheatingSession(cheats.teller, alice.element, false);
    await session.respond(await payNotes(0, 1));
    const reply = await session.say(m.MODULE_AMOUNT_INCORRECT);
    expect([noticeNames(reply), abortReason(reply)]).toEqual([["aborted"], r.REASON_WRONG_AMOUNT]);
    expect((await deliver(alice.element, command.amount(usd(1n)))).status).toBe(p.SW_NOT_ALLOWED);
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("are whole again after an abort, and can be paid anew", async () => {
    const notes = await alice.element.notes();
    const session = new CheatingSession(cheats.teller, alice.element, false);
    await session.respond(await payNotes(0, 1));
    await session.correct();
    expect((await alice.element.balances())[0]).toMatchObject({ offered: 2n * VALUE, spendable: 2n * VALUE });
    expect(abortReason(await session.say(m.MODULE_ABORT, r.REASON_DECLINED))).toBe(r.REASON_DECLINED);
    expect(await alice.element.notes()).toEqual(notes);
    const again = new CheatingSession(cheats.teller, alice.element, false);
    await again.respond(await payNotes(0, 1));
    await again.correct();
    await again.next(0);
    expect(noticeNames(await again.ready())).toEqual(["sent"]);
    expect(await alice.element.notes()).toHaveLength(notes.length - 2);
  });

  test("lapse while the teller thinks: nothing is offered", async () => {
    await at(FINAL - 1);
    const session = new CheatingSession(cheats.teller, alice.element, false);
    await session.respond(await payNotes(0));
    const before = await cheats.state(alice);
    await alice.element.open(BigInt(FINAL));
    expect(abortReason(await session.correct())).toBe(r.REASON_PAST_REDEMPTION);
    expect((await cheats.state(alice)).digest).toEqual(before.digest);
  });
});

/** A real module to a real teller. */
async function toBank(...places: number[]): Promise<void> {
  const [a, b] = inProcessLink();
  const receiving = receive(bank.device, b);
  const paying = alice.device.converse(a, "module", async (conversation) => {
    await conversation.command(command.payNotes(places, MEMO));
    return runTransfer(alice.device, conversation, {});
  });
  const [sent, received] = await Promise.allSettled([paying, receiving]);
  if (sent.status === "rejected") throw sent.reason;
  if (received.status === "rejected") throw received.reason;
  const amount = BigInt(places.length) * VALUE;
  expect([sent.value.money, received.value.money]).toEqual([usd(amount), usd(amount)]);
  expect((await bank.element.balances())[0]?.spendable).toBe(amount);
}

describe("a teller takes what no subscriber takes", () => {
  test("an expired note", async () => {
    await at(FINAL - 1);
    await toBank(0, 1);
  });

  test("a note at the hop limit", () => toBank(4));

  test("a note with a listed ancestor", async () => {
    await list();
    await toBank(0, 4);
  });

  test("all of that at once", async () => {
    await list();
    await at(FINAL - 1);
    await toBank(0, 1, 2, 4);
  });
});

describe("what is refused before anybody is asked, and changes nothing", () => {
  const refused = async (envelope: Uint8Array, reason: number, module = alice) => {
    const before = await cheats.state(module);
    const reply = await deliver(module.element, envelope);
    expect([abortReason(reply), reply.toPeer.length]).toEqual([reason, 0]);
    expect(await cheats.state(module)).toEqual(before);
  };

  test("notes past their final redemption date, for a reason of their own", async () => {
    await at(FINAL);
    await refused(command.payNotes([0], null), r.REASON_PAST_REDEMPTION);
    await refused(command.payNotes([0, 1, 4], null), r.REASON_PAST_REDEMPTION);
  });

  test("places without a note, notes of two currencies", async () => {
    await refused(command.payNotes([5], null), r.REASON_NOT_FOUND);
    await refused(command.payNotes([0, WALLET_NOTES_MAX - 1], null), r.REASON_NOT_FOUND);
    await refused(command.payNotes([0, 3], null), r.REASON_UNKNOWN_UNIT);
  });

  test("notes that are in doubt", async () => {
    const { parts } = offered();
    const session = await cheats.agreed(alice, usd(VALUE));
    expect(session.heard(await session.note(0, 1, encodeNote(parts)))).toEqual([[m.MODULE_READY]]);
    await deliver(alice.element, command.cancel());
    expect((await alice.element.notes())[5]).toMatchObject({ spendable: false, place: 5 });
    await refused(command.payNotes([5], null), r.REASON_NOT_FOUND);
  });

  test("modules of a bank", async () => {
    const mint = await cheats.world.module("mint", ROLE_GENERATOR);
    await refused(command.payNotes([0], null), r.REASON_NOT_PERMITTED, bank);
    await refused(command.payNotes([0], null), r.REASON_NOT_PERMITTED, mint);
  });

  const PAY = m.COMMAND_PAY_NOTES;
  const malformed: readonly (readonly CborValue[])[] = [
    [PAY],
    [PAY, [0]],
    [PAY, [0], null, null],
    [PAY, 0, null],
    [PAY, null, null],
    [PAY, [], null],
    [PAY, ["0"], null],
    [PAY, [[0]], null],
    [PAY, [-1], null],
    [PAY, [0, 0], null],
    [PAY, [1, 0], null],
    [PAY, [WALLET_NOTES_MAX], null],
    [PAY, [2 ** 32], null],
    [PAY, [2n ** 64n - 1n], null],
    [PAY, [2n ** 64n - 1n, 0], null],
    [PAY, Array.from({ length: PACKET_NOTES_MAX + 1 }, (_, i) => i), null],
    [PAY, Array.from({ length: 2_000 }, (_, i) => i), null],
    [PAY, [0], "memo"],
    [PAY, [0], new Uint8Array(MEMO_BYTES_MAX + 1)],
  ];
  test("malformed orders, by a status word, and not even the last answer is lost", async () => {
    const before = await cheats.state(alice);
    const last = await payNotes(5);
    for (const each of malformed) {
      const reply = await order(...each);
      const name = JSON.stringify(each, (_, value) => (typeof value === "bigint" ? String(value) : value)).slice(0, 60);
      expect([reply.status, reply.envelopes], name).toEqual([p.SW_WRONG_DATA, []]);
      expect(await alice.element.fetchAgain(), name).toEqual(last.envelopes);
    }
    const whole = encode([PAY, [0], null]);
    for (let length = 0; length < whole.length; length += 1) {
      const cut = Uint8Array.of(m.ADDRESS_HOST, m.KIND_HOST, ...whole.subarray(0, length));
      expect((await deliver(alice.element, cut)).status).toBe(p.SW_WRONG_DATA);
    }
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("anything at all: it is refused, or begun and cancelled", async () => {
    const item = fc.oneof(
      fc.nat(80),
      fc.maxSafeNat(),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.constant(null),
      fc.boolean(),
      fc.string({ maxLength: 4 }),
      fc.uint8Array({ maxLength: 40 }),
    );
    const places = fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 6 });
    const said = fc.oneof(
      fc.array(fc.oneof(item, fc.array(item, { maxLength: 10 })), { maxLength: 4 }),
      fc.tuple(fc.array(item, { maxLength: 10 }), item),
      fc.tuple(places, fc.constant(null)),
    );
    const before = await cheats.state(alice);
    let begun = 0;
    await fc.assert(
      fc.asyncProperty(said, async (items) => {
        const reply = await order(PAY, ...(items as CborValue[]));
        const family = (reply.status & 0xff00) === p.SW_FETCH ? p.SW_FETCH : reply.status;
        expect([p.SW_WRONG_DATA, p.SW_FETCH]).toContain(family);
        if (abortReason(reply) === undefined && reply.status !== p.SW_WRONG_DATA) {
          begun += 1;
          expect((await deliver(alice.element, command.cancel())).status).not.toBe(p.SW_NOT_ALLOWED);
        }
        expect(await cheats.state(alice)).toEqual(before);
      }),
      { numRuns: 400, seed: 1 },
    );
    expect(begun).toBeGreaterThan(5);
  });

  test("while a payment is under way, which goes on", async () => {
    const session = new CheatingSession(cheats.teller, alice.element, false);
    const again = async () => expect((await payNotes(1)).status).toBe(p.SW_NOT_ALLOWED);
    const first = await payNotes(0);
    await again();
    await session.respond(first);
    await again();
    expect((await order(PAY, [], null)).status).toBe(p.SW_NOT_ALLOWED);
    expect(session.heard(await session.correct())[0]?.slice(0, 3)).toEqual([m.MODULE_NOTE, 0, 1]);
    await again();
    expect(session.heard(await session.ready())[0]?.[0]).toBe(m.MODULE_KEY);
    await session.confirm();
    expect((await alice.element.notes()).map(({ place }) => place)).toEqual([1, 2, 3, 4]);
  });

  test("without PIN, without date", async () => {
    await alice.element.restart();
    expect((await payNotes(0)).status).toBe(p.SW_SECURITY_STATUS);
    await alice.element.verifyPin("1234");
    expect(abortReason(await payNotes(0))).toBe(r.REASON_NO_CLOCK);
  });
});
