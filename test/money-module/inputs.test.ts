/**
 * Orders and sessions that must be refused, each for its own reason and before anything has changed: amounts, states,
 * certificates, clocks, a message manager that repeats, alters and reorders, and a module that is full.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import {
  PURPOSE_OUTCOME,
  PURPOSE_PAIRING,
  PURPOSE_TRANSACTION,
  ROLE_GENERATOR,
  ROLE_TELLER,
  ROLE_TRANSACTION,
} from "../../firmware/protocol/kinds.js";
import {
  BAD_IDS_MAX,
  CLOCK_SKEW_SECONDS_MAX,
  HOPS_MAX,
  MEMO_BYTES_MAX,
  PACKET_NOTES_MAX,
  PENDING_MAX,
  QUERIES_MAX,
  SESSION_ERRORS_MAX,
  WALLET_NOTES_MAX,
} from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { encodeNote, mintNote } from "../../host/codec/note.js";
import { command, hostEnvelope, timeoutEnvelope } from "../../host/commands.js";
import { randomBytes } from "../../host/randomness.js";
import {
  abortReason,
  CheatingModule,
  CheatingSession,
  deliver,
  noticeNames,
  type Reply,
} from "../support/cheating-module.js";
import { DAY, NOW, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;
let bank: ModuleDevice;
/** Alice with one note of VALUE. */
let rich: Uint8Array;

beforeAll(async () => {
  cheats = await NoteCheats.create("inputs");
  ({ alice, bank } = cheats);
  const { parts, key } = cheats.offered(alice);
  await cheats.takes(alice, parts, VALUE, key);
  rich = alice.simulated.snapshot();
});

beforeEach(() => {
  cheats.restore();
  alice.simulated.restore(rich);
});

const order = (...message: CborValue[]) => deliver(alice.element, hostEnvelope(...message));

describe("orders", () => {
  const terms: readonly (readonly [string, readonly CborValue[], number])[] = [
    ["nothing", [0, 840, 2, null], r.REASON_AMOUNT_ZERO],
    ["2^63", [2n ** 63n, 840, 2, null], r.REASON_AMOUNT_TOO_LARGE],
    ["2^64 - 1", [2n ** 64n - 1n, 840, 2, null], r.REASON_AMOUNT_TOO_LARGE],
    ["no currency", [1, 0, 2, null], r.REASON_UNKNOWN_UNIT],
    ["an unknown currency", [1, 1000, 2, null], r.REASON_UNKNOWN_UNIT],
    ["a currency beyond 32 bits", [1, 2 ** 32 + 840, 2, null], r.REASON_UNKNOWN_UNIT],
    ["an unknown exponent", [1, 840, 10, null], r.REASON_UNKNOWN_UNIT],
    ["an exponent beyond 32 bits", [1, 840, 2 ** 32 + 2, null], r.REASON_UNKNOWN_UNIT],
  ];
  test.each(terms)("%s", async (_name, said, reason) => {
    const before = await cheats.state(alice);
    for (const number of [m.COMMAND_PAY, m.COMMAND_REQUEST, m.COMMAND_WITHDRAW]) {
      const reply = await order(number, ...said);
      expect([abortReason(reply), reply.toPeer.length]).toEqual([reason, 0]);
    }
    expect(await cheats.state(alice)).toEqual(before);
  });

  test.each([
    ["one cent more than there is", usd(VALUE + 1n)],
    ["the most that can be said", usd(2n ** 63n - 1n)],
    ["of a currency that it has none of", { amount: 1n, unit: { currency: 978, exponent: 2 } }],
    ["of an exponent that it has none of", { amount: 1n, unit: { currency: 840, exponent: 0 } }],
  ])("to pay %s", async (_name, money) => {
    const before = await cheats.state(alice);
    const reply = await deliver(alice.element, command.pay(money, null));
    expect([abortReason(reply), reply.toPeer.length]).toEqual([r.REASON_INSUFFICIENT_FUNDS, 0]);
    expect(await cheats.state(alice)).toEqual(before);
  });

  const malformed: readonly (readonly CborValue[])[] = [
    [m.COMMAND_PAY, "1", 840, 2, null],
    [m.COMMAND_PAY, -1, 840, 2, null],
    [m.COMMAND_PAY, 1, 840, 2, "memo"],
    [m.COMMAND_PAY, 1, 840, 2, new Uint8Array(MEMO_BYTES_MAX + 1)],
    [m.COMMAND_PAY, 1, 840, 2, new Uint8Array(6_000)],
    [m.COMMAND_PAY, 1, 840, 2],
    [m.COMMAND_PAY, 1, 840, 2, null, null],
    [m.COMMAND_REQUEST],
    [m.COMMAND_WITHDRAW],
    [m.COMMAND_LISTEN, 1],
    [m.COMMAND_LISTEN, 1, 840, 2, null],
    [m.COMMAND_OUTCOME],
    [m.COMMAND_OUTCOME, 1],
    [m.COMMAND_OUTCOME, true, true],
    [m.COMMAND_FORGET],
    [m.COMMAND_FORGET, new Uint8Array(31)],
    [m.COMMAND_CANCEL, 1],
    [],
    [null],
    ["pay"],
    [99],
    [2n ** 32n + BigInt(m.COMMAND_PAY), 1, 840, 2, null],
  ];
  test("malformed ones are refused by a status word, and not even the last answer is lost", async () => {
    const before = await cheats.state(alice);
    const last = await order(m.COMMAND_PAY, 0, 840, 2, null);
    for (const each of malformed) {
      const reply = await order(...each);
      const name = JSON.stringify(each, (_, value) => (typeof value === "bigint" ? String(value) : value)).slice(0, 60);
      expect([p.SW_WRONG_DATA, p.SW_NOT_ALLOWED], name).toContain(reply.status);
      expect(reply.envelopes, name).toEqual([]);
      expect(await alice.element.fetchAgain(), name).toEqual(last.envelopes);
    }
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("answers to questions that nobody asked, and commands of an agent", async () => {
    const before = await cheats.state(alice);
    for (const envelope of [
      command.yes(),
      command.no(r.REASON_DECLINED),
      command.cancel(),
      command.amount(usd(1n)),
      command.redeem(0),
      timeoutEnvelope(),
    ]) {
      expect((await deliver(alice.element, envelope)).status).toBe(p.SW_NOT_ALLOWED);
    }
    for (const envelope of [
      command.buy(),
      command.settle(),
      command.acquire(1),
      command.pair(false),
      command.pair(true),
    ]) {
      expect([p.SW_WRONG_DATA, p.SW_NOT_ALLOWED]).toContain((await deliver(alice.element, envelope)).status);
    }
    expect(await cheats.state(alice)).toEqual(before);
  });

  test("what a bank's modules do not do", async () => {
    expect(abortReason(await deliver(bank.element, command.pay(usd(1n), null)))).toBe(r.REASON_NOT_PERMITTED);
    expect(abortReason(await deliver(bank.element, command.payRequested()))).toBe(r.REASON_NOT_PERMITTED);
    const mint = await cheats.world.module("mint", ROLE_GENERATOR);
    const orders = [command.pay(usd(1n), null), command.request(usd(1n), null), command.withdraw(usd(1n), null)];
    for (const each of orders) expect(abortReason(await deliver(mint.element, each))).toBe(r.REASON_NOT_PERMITTED);
    for (const place of [0, WALLET_NOTES_MAX - 1, WALLET_NOTES_MAX, 2 ** 32]) {
      expect((await deliver(bank.element, command.redeem(place))).status).toBe(p.SW_WRONG_DATA);
    }
  });

  test("while one is under way another is refused, and the first goes on", async () => {
    const session = new CheatingSession(cheats.friend, alice.element, false);
    const first = await deliver(alice.element, command.pay(usd(4_000n), null));
    const others = [
      command.listen(),
      command.pay(usd(1n), null),
      command.payRequested(),
      command.request(usd(1n), null),
      command.withdraw(usd(1n), null),
      command.outcome(true),
      command.yes(),
    ];
    const refused = async () => {
      for (const each of others) expect((await deliver(alice.element, each)).status).toBe(p.SW_NOT_ALLOWED);
    };
    await refused();
    await session.respond(first);
    await refused();
    await session.correct();
    await refused();
    expect(session.heard(await session.ready())[0]?.[0]).toBe(m.MODULE_KEY);
    await refused();
    await session.confirm();
    expect((await alice.element.balances())[0]?.spendable).toBe(6_000n);
    expect(await alice.element.pending()).toEqual([]);
  });

  test("an expired note is no money for a subscriber, and is for a teller", async () => {
    await alice.element.open(BigInt(NOW + 30 * DAY));
    for (const [payee, reason] of [
      [cheats.friend, r.REASON_ONLY_TO_TELLER],
      [cheats.teller, undefined],
    ] as const) {
      const session = new CheatingSession(payee.telling({ now_seconds: NOW + 30 * DAY }), alice.element, false);
      const reply = await session.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
      expect(abortReason(reply)).toBe(reason);
      if (reason !== undefined) continue;
      expect(session.heard(reply)).toEqual([[m.MODULE_PROPOSE, Number(VALUE), 840, 2, null]]);
      expect(session.heard(await session.correct())[0]?.slice(0, 3)).toEqual([m.MODULE_NOTE, 0, 1]);
    }
  });
});

describe("the peer's certificate and clock, met as responder and as initiator", () => {
  /** The victim's answer to this peer, in either part. */
  async function meet(peer: CheatingModule, initiator: boolean, purpose = PURPOSE_TRANSACTION): Promise<Reply> {
    const session = new CheatingSession(peer, alice.element, initiator, purpose);
    if (!initiator) return session.respondHandshake(await deliver(alice.element, command.pay(usd(1n), null)));
    await deliver(alice.element, command.listen());
    return session.initiate();
  }

  const certified = (role: number, now_seconds = NOW) =>
    new CheatingModule({ agency: cheats.world.agencies.modules, random: cheats.world.random, now_seconds, role });

  async function refusesPeer(peer: CheatingModule, reason: number, parts = [true, false]): Promise<void> {
    for (const initiator of parts) {
      const before = await cheats.state(alice);
      const reply = await meet(peer, initiator);
      expect(abortReason(reply)).toBe(reason);
      // Nobody is trusted yet: the reason goes in clear.
      expect(reply.toPeer).toEqual([{ kind: m.KIND_REFUSAL, body: Uint8Array.of(reason) }]);
      expect(await cheats.state(alice)).toEqual(before);
    }
  }

  test("a good one is let in", async () => {
    for (const initiator of [true, false]) {
      expect(noticeNames(await meet(cheats.friend, initiator))).toEqual(["session"]);
      await deliver(alice.element, command.cancel());
    }
  });

  test("expired, and not yet valid", async () => {
    const old = certified(ROLE_TRANSACTION, NOW - 5 * 365 * DAY).telling({ now_seconds: NOW });
    await refusesPeer(old, r.REASON_CERTIFICATE_EXPIRED);
    await refusesPeer(certified(ROLE_TRANSACTION, NOW + 1), r.REASON_CERTIFICATE_NOT_YET_VALID);
  });

  test("the element's own, expired: it is its peer that refuses", async () => {
    const then = NOW + 5 * 365 * DAY;
    const carol = await cheats.world.module("carol");
    for (const device of [alice, carol]) await device.element.open(BigInt(then));
    const ask = async (device: ModuleDevice, envelope: Uint8Array) => {
      const [out] = (await deliver(device.element, envelope)).toPeer;
      return Uint8Array.of(m.ADDRESS_PEER, out?.kind ?? 0, ...(out?.body ?? []));
    };
    await deliver(carol.element, command.listen());
    const second = await ask(carol, await ask(alice, command.payRequested()));
    expect(abortReason(await deliver(alice.element, second))).toBe(r.REASON_CERTIFICATE_EXPIRED);
  });

  test("foreign: of another root, of the other tree, certified by a device", async () => {
    const foreign = new Agency(newAgencies(cheats.world.random, NOW).modules);
    const { random, agencies } = cheats.world;
    await refusesPeer(new CheatingModule({ agency: foreign, random, now_seconds: NOW }), r.REASON_FOREIGN_CERTIFICATE);
    const agent = new CheatingModule({ agency: agencies.agents, random, now_seconds: NOW, role: 1 });
    await refusesPeer(agent, r.REASON_FOREIGN_CERTIFICATE);
    const mixed = cheats.friend.telling({ chain: cheats.friend.chainWith(foreign.serverCertificate) });
    await refusesPeer(mixed, r.REASON_FOREIGN_CERTIFICATE);
    const selfMade = cheats.friend.telling({ chain: cheats.friend.chainWith(cheats.teller.noteSigner.certificate) });
    await refusesPeer(selfMade, r.REASON_FOREIGN_CERTIFICATE);
  });

  test("another's: the Noise key is not the certificate's", async () => {
    await refusesPeer(cheats.friend.telling({ chain: cheats.teller.chain }), r.REASON_KEY_MISMATCH, [false]);
    await refusesPeer(cheats.friend.telling({ chain: cheats.cheat.chain }), r.REASON_KEY_MISMATCH);
  });

  test("of a role that this module does not meet", async () => {
    await refusesPeer(certified(ROLE_GENERATOR), r.REASON_WRONG_ROLE);
    await refusesPeer(certified(ROLE_TELLER), r.REASON_WRONG_ROLE, [true]);
  });

  test("on the list of bad ids, first and last of a full one; and good again when a newer list says so", async () => {
    const { modules } = cheats.world.agencies;
    const filler = Array.from({ length: BAD_IDS_MAX - 1 }, (): [Uint8Array, number] => [
      randomBytes(cheats.world.random, 16),
      1,
    ]);
    await alice.element.putList(modules.badIdList(1n, NOW, [[cheats.friend.id, 1], ...filler]));
    await refusesPeer(cheats.friend, r.REASON_BAD_ID);
    await alice.element.putList(modules.badIdList(2n, NOW, [...filler, [cheats.friend.id, 1]]));
    await refusesPeer(cheats.friend, r.REASON_BAD_ID);
    await alice.element.restart();
    await alice.device.unlock("1234");
    await refusesPeer(cheats.friend, r.REASON_BAD_ID);
    await alice.element.putList(modules.badIdList(3n, NOW, filler.slice(0, 1)));
    expect(noticeNames(await meet(cheats.friend, true))).toEqual(["session"]);
  });

  test("clocks that are too far apart, and no clock", async () => {
    for (const apart of [CLOCK_SKEW_SECONDS_MAX + 1, -CLOCK_SKEW_SECONDS_MAX - 1, -NOW]) {
      await refusesPeer(cheats.friend.telling({ now_seconds: NOW + apart }), r.REASON_CLOCK_SKEW);
    }
    for (const apart of [CLOCK_SKEW_SECONDS_MAX, -CLOCK_SKEW_SECONDS_MAX]) {
      const reply = await meet(cheats.friend.telling({ now_seconds: NOW + apart }), true);
      expect(noticeNames(reply)).toEqual(["session"]);
      await deliver(alice.element, command.cancel());
    }
    await alice.element.restart();
    await alice.element.verifyPin("1234");
    for (const each of [command.listen(), command.pay(usd(1n), null), command.withdraw(usd(1n), null)]) {
      expect(abortReason(await deliver(alice.element, each))).toBe(r.REASON_NO_CLOCK);
    }
  });

  test("a session for another purpose than was ordered", async () => {
    for (const purpose of [PURPOSE_OUTCOME, PURPOSE_PAIRING, 0, 255]) {
      await deliver(alice.element, command.listen());
      const reply = await new CheatingSession(cheats.friend, alice.element, true, purpose).initiate();
      expect(abortReason(reply)).toBeDefined();
    }
  });
});

describe("a message manager that repeats, alters and reorders", () => {
  test("a repeat is answered with the same bytes, altered ones are refused and counted, and the payment still ends well", async () => {
    const { parts, key } = cheats.offered(alice);
    const session = await cheats.agreed(alice, usd(VALUE));
    const note = session.seal(encode([m.MODULE_NOTE, 0, 1, session.locked(encodeNote(parts))]));
    const before = await cheats.state(alice);
    for (const at of [0, 1, 500, note.length - 1]) {
      const altered = note.slice();
      altered[at] = (altered[at] ?? 0) ^ 1;
      const reply = await session.raw(m.KIND_SEALED, altered);
      expect([reply.status, reply.envelopes]).toEqual([p.SW_BAD_SEAL, []]);
    }
    expect((await session.raw(m.KIND_SEALED, note.subarray(0, -1))).status).toBe(p.SW_BAD_SEAL);
    expect((await session.raw(m.KIND_SEALED, note.subarray(0, 10))).status).toBe(p.SW_NOT_ALLOWED);
    expect(await cheats.state(alice)).toEqual(before);
    const ready = await session.raw(m.KIND_SEALED, note);
    expect(session.heard(ready)).toEqual([[m.MODULE_READY]]);
    for (let i = 0; i < 2 * SESSION_ERRORS_MAX; i += 1) {
      expect((await session.raw(m.KIND_SEALED, note)).envelopes).toEqual(ready.envelopes);
    }
    const shown = session.seal(encode([m.MODULE_KEY, key]));
    const received = await session.raw(m.KIND_SEALED, shown);
    expect(noticeNames(received)).toEqual(["received"]);
    const settled = await cheats.state(alice);
    expect((await session.raw(m.KIND_SEALED, shown)).envelopes).toEqual(received.envelopes);
    expect(await cheats.state(alice)).toEqual(settled);
    expect(settled.balances[0]?.spendable).toBe(2n * VALUE);
  });

  test("messages out of order are refused, and taken when their turn comes", async () => {
    const mine = [cheats.held(), cheats.held()];
    const shared = new Uint8Array(32).fill(3);
    const session = await cheats.agreed(alice, usd(2n * VALUE));
    const [first, second] = mine.map((each, index) => {
      const step = { by: cheats.cheat, to: alice.element.id, key: shared };
      const { parts } = cheats.pass(each.parts, each.key, step);
      return session.seal(encode([m.MODULE_NOTE, index, 2, session.locked(encodeNote(parts))]));
    }) as [Uint8Array, Uint8Array];
    expect((await session.raw(m.KIND_SEALED, second)).status).toBe(p.SW_BAD_SEAL);
    expect(session.heard(await session.raw(m.KIND_SEALED, first))).toEqual([[m.MODULE_NEXT, 0]]);
    expect(session.heard(await session.raw(m.KIND_SEALED, second))).toEqual([[m.MODULE_READY]]);
    // What was before the last is no repeat any more.
    expect((await session.raw(m.KIND_SEALED, first)).status).toBe(p.SW_BAD_SEAL);
    expect(noticeNames(await session.key(shared))).toEqual(["received"]);
  });

  test("too many altered messages end the session: nothing was taken, and the next payment works", async () => {
    const before = await cheats.state(alice);
    const session = await cheats.agreed(alice, usd(VALUE));
    const { parts } = cheats.offered(alice);
    const note = session.seal(encode([m.MODULE_NOTE, 0, 1, session.locked(encodeNote(parts))]));
    for (let i = 0; i < SESSION_ERRORS_MAX; i += 1) {
      const reply = await session.raw(m.KIND_SEALED, new Uint8Array(64).fill(i));
      expect(reply.status).toBe(p.SW_BAD_SEAL);
    }
    expect((await session.raw(m.KIND_SEALED, note)).status).toBe(p.SW_NOT_ALLOWED);
    let reply: Reply | undefined;
    for (let i = 0; i <= QUERIES_MAX; i += 1) reply = await deliver(alice.element, timeoutEnvelope());
    expect(abortReason(reply as Reply)).toBe(r.REASON_TIMEOUT);
    expect(await cheats.state(alice)).toEqual(before);
    const again = cheats.offered(alice);
    await cheats.takes(alice, again.parts, VALUE, again.key);
  });

  test("handshakes and refusals in an open session change nothing", async () => {
    const { parts, key } = cheats.offered(alice);
    const session = await cheats.agreed(alice, usd(VALUE));
    const before = await cheats.state(alice);
    for (const [kind, body] of [
      [m.KIND_REFUSAL, Uint8Array.of(r.REASON_BAD_ID)],
      [m.KIND_REFUSAL, new Uint8Array(0)],
      [m.KIND_HANDSHAKE, new Uint8Array(0)],
      [m.KIND_HANDSHAKE, Uint8Array.of(PURPOSE_TRANSACTION, 1, ...new Uint8Array(32).fill(9))],
      [m.KIND_HANDSHAKE, Uint8Array.of(PURPOSE_TRANSACTION, 3, ...new Uint8Array(900))],
      [m.KIND_HOST, encode([m.COMMAND_CANCEL])],
      [m.KIND_TIMEOUT, new Uint8Array(0)],
      [m.KIND_LINK, new Uint8Array(40)],
      [m.KIND_LINK_OPEN, new Uint8Array(32)],
      [0, new Uint8Array(40)],
    ] as const) {
      const reply = await session.raw(kind, body);
      expect([p.SW_NOT_ALLOWED, p.SW_WRONG_DATA], `${kind}`).toContain(reply.status);
      expect(reply.envelopes).toEqual([]);
    }
    expect(await cheats.state(alice)).toEqual(before);
    expect(session.heard(await session.note(0, 1, encodeNote(parts)))).toEqual([[m.MODULE_READY]]);
    expect(noticeNames(await session.key(key))).toEqual(["received"]);
  });
});

describe("a module that is full refuses before it keeps anything", () => {
  const key = new Uint8Array(32).fill(6);

  function cents(count: number) {
    return Array.from({ length: count }, () => {
      const mine = cheats.held();
      return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount: 1n, key }).parts;
    });
  }

  test("of notes: a packet that does not fit whole is refused at its first note", async () => {
    cheats.restore();
    const rest = 3;
    for (let left = WALLET_NOTES_MAX - rest; left > 0; left -= PACKET_NOTES_MAX) {
      const count = Math.min(left, PACKET_NOTES_MAX);
      expect(noticeNames(await cheats.pay(alice, cents(count), BigInt(count), key))).toEqual(["received"]);
    }
    await cheats.refuses(alice, cents(rest + 1), BigInt(rest + 1), r.REASON_STORE_FULL);
    const session = await cheats.agreed(alice, usd(4n));
    const [first] = cents(1);
    const spared = await cheats.state(alice);
    const reply = await session.note(0, rest + 1, encodeNote(first as NonNullable<typeof first>));
    expect(abortReason(reply)).toBe(r.REASON_STORE_FULL);
    expect(await cheats.state(alice)).toEqual(spared);
    expect(noticeNames(await cheats.pay(alice, cents(rest), BigInt(rest), key))).toEqual(["received"]);
    expect(await alice.element.notes()).toHaveLength(WALLET_NOTES_MAX);
    await cheats.refuses(alice, cents(1), 1n, r.REASON_STORE_FULL);
  });

  test("of open payments: neither receives nor pays, and what is open still ends", async () => {
    const sessions: { session: CheatingSession; parts: ReturnType<typeof cents>[0]; payer: CheatingModule }[] = [];
    for (let i = 0; i < PENDING_MAX; i += 1) {
      const payer = cheats.cheater();
      const session = await leaveInDoubt(payer);
      sessions.push(session);
    }
    expect(await alice.element.pending()).toHaveLength(PENDING_MAX);
    await cheats.refuses(alice, cents(1), 1n, r.REASON_STORE_FULL);
    const before = await cheats.state(alice);
    const session = new CheatingSession(cheats.friend, alice.element, false);
    const proposed = await session.respond(await deliver(alice.element, command.pay(usd(1n), null)));
    expect(abortReason(proposed) ?? abortReason(await session.correct())).toBe(r.REASON_STORE_FULL);
    expect(await cheats.state(alice)).toEqual(before);
    const { payer } = sessions[0] as (typeof sessions)[0];
    const payId = (await alice.element.pending())[0]?.payId as Uint8Array;
    await deliver(alice.element, command.outcome(false));
    const outcome = new CheatingSession(payer, alice.element, true, PURPOSE_OUTCOME);
    await outcome.initiate();
    const answer = await outcome.say(m.MODULE_OPEN, [[payId, key]], []);
    expect(noticeNames(answer)).toEqual(["received"]);
    expect(await alice.element.pending()).toHaveLength(PENDING_MAX - 1);
  });

  /** A payment that its payer leaves after Ready. */
  async function leaveInDoubt(payer: CheatingModule) {
    const minted = mintNote(cheats.draft(), cheats.generator.noteSigner);
    const mine = cheats.along(minted, [
      { by: cheats.generator, to: cheats.teller.id },
      { by: cheats.teller, to: payer.id },
    ]);
    const { parts } = cheats.pass(mine.parts, mine.key, { by: payer, to: alice.element.id, amount: 1n, key });
    const session = await cheats.agreed(alice, usd(1n), payer);
    expect(session.heard(await session.note(0, 1, encodeNote(parts)))).toEqual([[m.MODULE_READY]]);
    let reply: Reply | undefined;
    for (let i = 0; i <= QUERIES_MAX; i += 1) reply = await deliver(alice.element, timeoutEnvelope());
    expect(noticeNames(reply as Reply)).toContain("doubt");
    return { session, parts, payer };
  }

  test("of bytes: a note that does not fit is refused, and what it has can still be spent", async () => {
    cheats.restore();
    const walkers = Array.from({ length: HOPS_MAX - 3 }, () => cheats.cheater());
    let taken = 0;
    let reason: number | undefined;
    while (reason === undefined && taken < WALLET_NOTES_MAX) {
      const minted = cheats.along(mintNote(cheats.draft(), cheats.generator.noteSigner), [
        { by: cheats.generator, to: cheats.teller.id },
        { by: cheats.teller, to: (walkers[0] as CheatingModule).id },
      ]);
      let state = minted;
      for (let i = 0; i + 1 < walkers.length - 1; i += 1) {
        const [by, to] = [walkers[i], walkers[i + 1]] as [CheatingModule, CheatingModule];
        state = cheats.pass(state.parts, state.key, { by, to: to.id });
      }
      const by = walkers[walkers.length - 2] as CheatingModule;
      state = cheats.pass(state.parts, state.key, { by, to: cheats.cheat.id });
      const { parts } = cheats.pass(state.parts, state.key, { by: cheats.cheat, to: alice.element.id, key });
      const before = await cheats.state(alice);
      const reply = await cheats.pay(alice, [parts], VALUE, key);
      reason = abortReason(reply);
      if (reason !== undefined) expect(await cheats.state(alice)).toEqual(before);
      else taken += 1;
    }
    expect(reason).toBe(r.REASON_STORE_FULL);
    expect(taken).toBeGreaterThan(16);
    // They are at the last hop but one: a teller takes them.
    await cheats.spend(alice, cheats.teller, VALUE * 4n);
    expect(await alice.element.notes()).toHaveLength(taken - 4);
    const again = cheats.offered(alice);
    await cheats.takes(alice, again.parts, VALUE, again.key);
  });
});
