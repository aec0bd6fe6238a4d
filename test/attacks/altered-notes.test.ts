/**
 * A genuine note, altered by whoever held it: amount, expiry and every other field in place, records reordered, cut and
 * doubled, signatures and records of one note in another, any single bit. No subscriber and no teller takes it, and their
 * stores are as before. What a cheat makes and signs itself is in test/money-module/notes.test.ts.
 */

import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import { REASON_BAD_SIGNATURE, REASON_NOTE_INVALID, REASON_WRONG_AMOUNT } from "../../firmware/protocol/reasons.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { encodeNote, type NoteParts } from "../../host/codec/note.js";
import { abortReason } from "../support/cheating-module.js";
import { DAY, type Held, NOW, NoteCheats, usd, VALUE, withEntry } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

const RUNS = 150;

let cheats: NoteCheats;
/** A note on offer to each victim, and another beside it. */
const offers = new Map<ModuleDevice, { note: Held; other: Held }>();

beforeAll(async () => {
  cheats = await NoteCheats.create("altered notes");
  for (const victim of [cheats.alice, cheats.bank]) {
    const offer = () => ({ note: cheats.offered(victim), other: cheats.offered(victim) });
    offers.set(victim, offer());
  }
});

beforeEach(() => cheats.restore());

type Signed = [CborValue, CborValue, Uint8Array, Uint8Array];

/** The signed object with one field of its payload changed, under the signature that it had. */
function withField(signed: Uint8Array, field: number, value: CborValue): Uint8Array {
  const [head, open, payload, signature] = decode(signed) as Signed;
  const fields = (decode(payload) as CborValue[]).map((each, at) => (at === field ? value : each));
  const altered = encode([head, open, encode(fields), signature]);
  expect(altered).not.toEqual(signed);
  return altered;
}

/** What one object says under the signature of another. */
function withSignatureOf(signed: Uint8Array, other: Uint8Array): Uint8Array {
  const [head, open, payload] = decode(signed) as Signed;
  const [, , , signature] = decode(other) as Signed;
  return encode([head, open, payload, signature]);
}

const recordOf = (parts: NoteParts, at: number) => (parts.entries[at] as NoteParts["entries"][number]).record;
const withBody = (parts: NoteParts, signedBody: Uint8Array): NoteParts => ({ ...parts, signedBody });
const withRecord = (parts: NoteParts, at: number, record: Uint8Array) => withEntry(parts, at, { record });

/** Places in body and record (docs/PROTOCOLS.md, section 4). */
const BODY = { id: 1, issuer: 3, currency: 4, exponent: 5, value: 6, issued: 7, expiry: 8, final: 9, generator: 10 };
const RECORD = { before: 1, transferee: 2, counter: 3, amount: 4, date: 5, lock: 6 };
const ID = new Uint8Array(16).fill(0x5a);

type Alteration = (note: NoteParts, other: NoteParts) => NoteParts;

const ALTERATIONS: Readonly<Record<string, Alteration>> = {
  "body: more": (note) => withBody(note, withField(note.signedBody, BODY.value, 2n * VALUE)),
  "body: less": (note) => withBody(note, withField(note.signedBody, BODY.value, VALUE / 2n)),
  "body: another id": (note) => withBody(note, withField(note.signedBody, BODY.id, ID)),
  "body: another issuer": (note) => withBody(note, withField(note.signedBody, BODY.issuer, ID)),
  "body: another generator": (note) => withBody(note, withField(note.signedBody, BODY.generator, ID)),
  "body: issued earlier": (note) => withBody(note, withField(note.signedBody, BODY.issued, NOW - 60)),
  "body: expires later": (note) => withBody(note, withField(note.signedBody, BODY.expiry, NOW + 59 * DAY)),
  "body: redeemed until later": (note) => withBody(note, withField(note.signedBody, BODY.final, NOW + 600 * DAY)),
  "body of the other note": (note, other) => withBody(note, other.signedBody),
  "body under the other note's signature": (note, other) =>
    withBody(note, withSignatureOf(note.signedBody, other.signedBody)),
  "body under a record's signature": (note) => withBody(note, withSignatureOf(note.signedBody, recordOf(note, 0))),
  ...Object.fromEntries(
    [0, 1, 2].flatMap((at): [string, Alteration][] => [
      [`record ${at}: more`, (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.amount, VALUE + 1n))],
      [`record ${at}: less`, (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.amount, VALUE - 1n))],
      [
        `record ${at}: to another`,
        (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.transferee, ID)),
      ],
      [
        `record ${at}: another counter`,
        (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.counter, 77_777n)),
      ],
      [
        `record ${at}: another date`,
        (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.date, NOW + 1)),
      ],
      [
        `record ${at}: another lock`,
        (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.lock, new Uint8Array(32).fill(1))),
      ],
      [
        `record ${at}: after something else`,
        (note) => withRecord(note, at, withField(recordOf(note, at), RECORD.before, new Uint8Array(32).fill(1))),
      ],
      [`record ${at} of the other note`, (note, other) => withRecord(note, at, recordOf(other, at))],
      [
        `record ${at} under the other note's signature`,
        (note, other) => withRecord(note, at, withSignatureOf(recordOf(note, at), recordOf(other, at))),
      ],
      [
        `record ${at} under the signature of the one beside it`,
        (note) => withRecord(note, at, withSignatureOf(recordOf(note, at), recordOf(note, (at + 1) % 3))),
      ],
      [`record ${at} left out`, (note) => ({ ...note, entries: note.entries.filter((_, i) => i !== at) })],
      [
        `record ${at} twice`,
        (note) => ({ ...note, entries: note.entries.flatMap((each, i) => (i === at ? [each, each] : [each])) }),
      ],
    ]),
  ),
  "records 0 and 1 exchanged": (note) => reordered(note, [1, 0, 2]),
  "records 1 and 2 exchanged": (note) => reordered(note, [0, 2, 1]),
  "records in reverse": (note) => reordered(note, [2, 1, 0]),
  "history of the other note behind the first record": (note, other) => ({
    ...note,
    entries: [...note.entries.slice(0, 1), ...other.entries.slice(1)],
  }),
  "all of the other note's records": (note, other) => ({ ...note, entries: other.entries }),
};

function reordered(note: NoteParts, order: readonly number[]): NoteParts {
  return { ...note, entries: order.map((at) => note.entries[at] as NoteParts["entries"][number]) };
}

/** History that does not fit, a signature that does not, or not the sum that was agreed on. */
const REASONS: readonly (number | undefined)[] = [REASON_NOTE_INVALID, REASON_BAD_SIGNATURE, REASON_WRONG_AMOUNT];

describe.each(["subscriber", "teller"])("a %s", (who) => {
  const victim = () => (who === "teller" ? cheats.bank : cheats.alice);
  const parts = () => {
    const { note, other } = offers.get(victim()) as { note: Held; other: Held };
    return { note: note.parts, other: other.parts, key: note.key };
  };

  /** Offers it; why it was refused. */
  async function reasonFor(bytes: Uint8Array): Promise<number | undefined> {
    const session = await cheats.agreed(victim(), usd(VALUE));
    const reply = await session.note(0, 1, bytes);
    const [heard] = session.heard(reply);
    if (heard?.[0] === m.MODULE_ABORT) expect(heard[1]).toBe(abortReason(reply));
    return abortReason(reply);
  }

  it("takes the note as it is, and the other", async () => {
    for (const each of [parts().note, parts().other]) {
      cheats.restore();
      expect(await reasonFor(encodeNote(each))).toBeUndefined();
    }
  });

  it.each(Object.keys(ALTERATIONS))("refuses it with %s", async (name) => {
    const { note, other } = parts();
    const altered = (ALTERATIONS[name] as Alteration)(note, other);
    const before = await cheats.state(victim());
    expect(REASONS).toContain(await reasonFor(encodeNote(altered)));
    expect(await cheats.state(victim())).toEqual(before);
  });

  it("refuses it with any one bit changed, and cut anywhere", async () => {
    const good = encodeNote(parts().note);
    const before = await cheats.state(victim());
    const spoiled = fc.oneof(
      fc
        .nat(8 * good.length - 1)
        .map((bit) => good.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))),
      fc.nat(good.length - 1).map((length) => good.slice(0, length)),
    );
    const property = fc.asyncProperty(spoiled, async (bytes) => {
      cheats.restore();
      expect(await reasonFor(bytes)).toBeGreaterThan(0);
      expect(await cheats.state(victim())).toEqual(before);
    });
    await fc.assert(property, { numRuns: RUNS });
  });
});

describe("a packet of notes", () => {
  it("reordered or cut: nothing of it is taken (numbers out of order: test/money-module/messages.test.ts)", async () => {
    const { alice } = cheats;
    const key = new Uint8Array(32).fill(9);
    const packet = () =>
      [1n, 2n, 3n].map((amount) => {
        const mine = cheats.held();
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: alice.element.id, amount, key }).parts;
      });
    for (const order of [
      [2, 1, 0],
      [1, 0, 2],
      [0, 0, 2],
      [0, 1],
    ] as const) {
      const notes = packet();
      const before = await cheats.state(alice);
      const session = await cheats.agreed(alice, usd(6n));
      let reason: number | undefined;
      for (const [index, which] of order.entries()) {
        const reply = await session.note(index, order.length, encodeNote(notes[which] as NoteParts));
        reason = abortReason(reply);
        if (reason !== undefined) break;
      }
      expect(reason, `order ${order}`).toBeDefined();
      expect(await cheats.state(alice)).toEqual(before);
    }
    const good = await cheats.pay(alice, packet(), 6n, key);
    expect(good.notices.map(({ name }) => name)).toEqual(["received"]);
  });
});
