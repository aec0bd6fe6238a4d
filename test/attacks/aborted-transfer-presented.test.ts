/**
 * A payee that cheats is offered notes by an honest payer, which then aborts: the cheat keeps what the payer has signed and
 * presents it as money, and as proof that the payer spent twice. The lock of the transfer was never opened, so it is void:
 * nobody takes it, and it is evidence against nobody.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PURPOSE_OUTCOME } from "../../firmware/protocol/kinds.js";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { encodeChain } from "../../host/codec/certificate.js";
import { CodecError } from "../../host/codec/errors.js";
import { counterProof, type OpenedRecord, recordPartsProof } from "../../host/codec/fraud-proof.js";
import { encodeNote, type NoteParts, readNote, readRecord, showKey, verifyNote } from "../../host/codec/note.js";
import { command, timeoutEnvelope } from "../../host/commands.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { randomBytes } from "../../host/randomness.js";
import { noteKey } from "../support/bound-locks.js";
import {
  abortReason,
  type CheatingModule,
  CheatingSession,
  deliver,
  noticeNames,
  type Reply,
} from "../support/cheating-module.js";
import { NOW, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import { type ModuleDevice, PIN } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;
/** What Alice signed for the cheat, and took back. */
let aborted: NoteParts;
let abortedPayId: Uint8Array;
/** What she paid with the same note afterwards, to somebody else. */
let paid: { parts: NoteParts; key: Uint8Array };
/** By what she showed. */
let shown: Uint8Array;
let after: Uint8Array;
let bankBefore: Uint8Array;

/** Alice offers all that she has; the note as it came. */
async function offered(payee: CheatingModule): Promise<{ session: CheatingSession; note: NoteParts }> {
  const session = new CheatingSession(payee, alice.element, false);
  await session.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
  const [heard] = session.heard(await session.correct());
  expect(heard?.slice(0, 3)).toEqual([m.MODULE_NOTE, 0, 1]);
  return { session, note: readNote(heard?.[3] as Uint8Array) };
}

beforeAll(async () => {
  cheats = await NoteCheats.create("aborted transfer");
  ({ alice } = cheats);
  bankBefore = cheats.bank.simulated.snapshot();
  const income = cheats.offered(alice);
  await cheats.takes(alice, income.parts, VALUE, income.key);

  const { session, note } = await offered(cheats.cheat);
  aborted = note;
  abortedPayId = session.hash;
  let reply: Reply | undefined;
  for (let query = 0; query <= QUERIES_MAX; query += 1) reply = await deliver(alice.element, timeoutEnvelope());
  expect(abortReason(reply as Reply)).toBe(r.REASON_TIMEOUT);
  expect((await alice.element.balances())[0]?.spendable).toBe(VALUE);

  const later = await offered(cheats.friend);
  const [said] = later.session.heard(await later.session.ready());
  await later.session.confirm();
  shown = said?.[1] as Uint8Array;
  paid = { parts: later.note, key: noteKey(later.session.hash, shown) };
  after = alice.simulated.snapshot();
});

beforeEach(() => {
  alice.simulated.restore(after);
  cheats.bank.simulated.restore(bankBefore);
});

/** The record that Alice signed last, with what is said to be its key. */
function signed(parts: NoteParts, key: Uint8Array): OpenedRecord {
  const { record, certificate } = parts.entries.at(-1) as NoteParts["entries"][number];
  const [server] = parts.servers;
  return { record, key, chain: encodeChain(certificate as Uint8Array, server as Uint8Array) };
}

/** Keys that the cheat can come by: its own, those of other records, the one that opens what was paid later, and of what it is made. */
function keys(): Uint8Array[] {
  const others = paid.parts.entries.flatMap(({ key }) => (key === null ? [] : [key]));
  const { lock } = readRecord(aborted.entries.at(-1)?.record as Uint8Array);
  return [
    randomBytes(cheats.world.random, 32),
    new Uint8Array(32),
    ...others,
    paid.key,
    shown,
    noteKey(abortedPayId, shown),
    lock,
  ];
}

describe("as money", () => {
  it("is taken by no teller, with whatever key; what was paid later is", async () => {
    for (const key of keys()) {
      const onward = cheats.pass(aborted, key, { by: cheats.cheat, to: cheats.bank.element.id });
      await cheats.refuses(cheats.bank, [onward.parts], VALUE, r.REASON_NOTE_INVALID);
    }
    const unopened = cheats.pass(aborted, null, { by: cheats.cheat, to: cheats.bank.element.id });
    await cheats.refuses(cheats.bank, [unopened.parts], VALUE, r.REASON_NOTE_INVALID);
    const good = cheats.pass(paid.parts, paid.key, { by: cheats.friend, to: cheats.bank.element.id });
    const session = await cheats.agreed(cheats.bank, usd(VALUE), cheats.friend);
    await session.note(0, 1, encodeNote(good.parts));
    expect(noticeNames(await session.key(good.key))).toEqual(["received"]);
  });

  it("is taken by no module, nor by Alice herself when it comes back to her", async () => {
    const { element } = alice;
    const state = await cheats.state(alice);
    for (const key of [...keys(), null]) {
      const onward = cheats.pass(aborted, key, { by: cheats.cheat, to: element.id });
      const session = await cheats.agreed(alice, usd(VALUE));
      expect(abortReason(await session.note(0, 1, encodeNote(onward.parts)))).toBe(r.REASON_NOTE_INVALID);
    }
    expect(await cheats.state(alice)).toEqual(state);
  });

  it("is not settled by a Ready that comes too late, nor by one after a power cut", async () => {
    alice.simulated.restore(after);
    const income = cheats.offered(alice);
    await cheats.takes(alice, income.parts, VALUE, income.key);
    for (const isCut of [false, true]) {
      const { session } = await offered(cheats.cheat);
      if (isCut) await alice.device.restart(PIN);
      else await deliver(alice.element, command.cancel());
      const reply = await session.ready();
      expect(reply.toPeer.filter(({ kind }) => kind === m.KIND_SEALED)).toEqual([]);
      expect((await alice.element.balances())[0]?.spendable).toBe(VALUE);
      expect(await alice.element.pending()).toEqual([]);
    }
  });
});

describe("as a question", () => {
  it("is answered with a signed word that it was aborted, and never with the key", async () => {
    const { lock } = readRecord(aborted.entries.at(-1)?.record as Uint8Array);
    await deliver(alice.element, command.outcome(false));
    const session = new CheatingSession(cheats.cheat, alice.element, true, PURPOSE_OUTCOME);
    await session.initiate();
    const answer = await session.say(m.MODULE_OPEN, [], [[abortedPayId, lock]]);
    const [number, , answers] = session.heard(answer)[0] as [number, CborValue, [[Uint8Array, CborValue, CborValue]]];
    const [[payId, key, word]] = answers;
    expect([number, payId, key]).toEqual([m.MODULE_ANSWER, abortedPayId, null]);
    expect(word).toBeInstanceOf(Uint8Array);
    expect(noticeNames(answer)).not.toContain("sent");
  });

  it("about what somebody else was paid is not answered with that key either", async () => {
    const { lock } = readRecord(paid.parts.entries.at(-1)?.record as Uint8Array);
    const [committed] = await alice.element.log();
    await deliver(alice.element, command.outcome(false));
    const session = new CheatingSession(cheats.cheat, alice.element, true, PURPOSE_OUTCOME);
    await session.initiate();
    const answer = await session.say(m.MODULE_OPEN, [], [[committed?.payId as Uint8Array, lock]]);
    const said = session.heard(answer).map((message) => JSON.stringify(message, (_, v) => hexOf(v)));
    expect(said).toHaveLength(1);
    for (const secret of [paid.key, shown]) expect(said.join()).not.toContain(Buffer.from(secret).toString("hex"));
  });
});

function hexOf(value: unknown): unknown {
  return value instanceof Uint8Array
    ? Buffer.from(value).toString("hex")
    : typeof value === "bigint"
      ? `${value}`
      : value;
}

describe("as evidence against Alice", () => {
  const verdict = (proof: Uint8Array) => checkFraudProof(proof, cheats.world.agencies.modules.root);

  it("proves nothing: not beside what she paid, not twice, not with any key; with both keys it would", () => {
    const income = paid.parts.entries.at(-2) as NoteParts["entries"][number];
    const parent: OpenedRecord = {
      record: income.record,
      key: income.key as Uint8Array,
      chain: cheats.cheat.chain,
    };
    const honest = signed(paid.parts, paid.key);
    for (const key of keys()) {
      const claimed = signed(aborted, key);
      for (const proof of [recordPartsProof(parent, [claimed, honest]), counterProof(claimed, honest)]) {
        expect(verdict(proof)).toMatchObject({ proved: false, why: expect.stringMatching(/does not open/) });
      }
    }
    // Her counter was burnt by the abort: no two of her records share one.
    const counters = [aborted, paid.parts].map(
      (parts) => readRecord(parts.entries.at(-1)?.record as Uint8Array).counter,
    );
    expect(counters[0]).not.toBe(counters[1]);
    // The verifier would see it: the same two parts, both opened, signed by a module that the test has the keys of.
    const mine = cheats.held();
    const twice = [1, 2].map((fill) => {
      const key = new Uint8Array(32).fill(fill);
      const part = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, key });
      return { record: part.parts.entries.at(-1)?.record as Uint8Array, key, chain: cheats.cheat.chain };
    });
    const owned = mine.parts.entries.at(-1) as NoteParts["entries"][number];
    const from = { record: owned.record, key: mine.key, chain: cheats.teller.chain };
    expect(verdict(recordPartsProof(from, twice))).toMatchObject({
      proved: true,
      culprit: Buffer.from(cheats.cheat.id).toString("hex"),
    });
  });

  it("is no note for the bank's books, with any key", () => {
    const { root } = cheats.world.agencies.modules;
    const check = (parts: NoteParts, key: Uint8Array) =>
      verifyNote(readNote(encodeNote(showKey(parts, key))), root, { now: NOW, held: true });
    expect(check(paid.parts, paid.key).amount).toBe(VALUE);
    for (const key of keys()) expect(() => check(aborted, key)).toThrow(CodecError);
  });
});
