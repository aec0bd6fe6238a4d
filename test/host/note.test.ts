/** Electronic notes as a host reads, makes and verifies them (WO 96/41315 fig. 20): every forgery, alteration, reuse. */

import { Sign1 } from "@auth0/cose";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ROLE_GENERATOR,
  ROLE_TELLER,
  SIGNED_NOTE_BODY,
  SIGNED_TICKET,
  SIGNED_TRANSFER,
} from "../../firmware/protocol/kinds.js";
import { HOPS_MAX, NOTE_BYTES_MAX, NOTE_ISSUERS_MAX } from "../../firmware/protocol/limits.js";
import {
  REASON_BAD_SIGNATURE,
  REASON_CERTIFICATE_EXPIRED,
  REASON_CERTIFICATE_NOT_YET_VALID,
  REASON_FOREIGN_CERTIFICATE,
  REASON_HOP_LIMIT,
  REASON_MALFORMED,
  REASON_NOTE_EXPIRED,
  REASON_NOTE_INVALID,
  REASON_TOO_LONG,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { payloadOf, sign1 } from "../../host/codec/cose.js";
import { CodecError } from "../../host/codec/errors.js";
import {
  addTransfer,
  buildNote,
  encodeNote,
  mintNote,
  type NoteDraft,
  type NoteEntry,
  type NoteParts,
  type NoteRules,
  type NoteSigner,
  readBody,
  readNote,
  readRecord,
  showKey,
  type TransferDraft,
  verifyNote,
} from "../../host/codec/note.js";
import { sha256 } from "../../host/crypto.js";
import { Agency, idOf, NOW, signerOf } from "../support/agencies.js";
import { DRAFT, keyOf, ModuleAgency, transfersAlong } from "../support/note-makers.js";

const DAY = 86_400;
const agency = new ModuleAgency();
const generator = agency.generator(1);
const teller = agency.module({ fill: 2, role: ROLE_TELLER });
const alice = agency.module({ fill: 3 });
const bob = agency.module({ fill: 4 });
const carol = agency.module({ fill: 5 });
const row = [generator, teller, alice, bob, carol];
const path = transfersAlong(row);
const good = buildNote(DRAFT, generator, path);
const RULES: NoteRules = { now: NOW };

function verify(bytes: Uint8Array, rules: NoteRules = RULES) {
  return verifyNote(readNote(bytes), agency.root, rules);
}

/** The reason of a refusal, 0 when there was none. */
function reasonOf(check: () => unknown): number {
  try {
    check();
  } catch (error) {
    if (error instanceof CodecError) return error.reason;
    throw error;
  }
  return 0;
}

/** The good note with some transfers stated otherwise; every signature is right. */
function restated(
  changes: Readonly<Record<number, Partial<TransferDraft>>>,
  draft: Partial<NoteDraft> = {},
): Uint8Array {
  const transfers = path.map((transfer, i) => ({ ...transfer, ...changes[i] }));
  return buildNote({ ...DRAFT, ...draft }, generator, transfers);
}

/** The good note with its parts changed after all was signed. */
function altered(change: (parts: NoteParts) => NoteParts, bytes = good): Uint8Array {
  return encodeNote(change(readNote(bytes)));
}

function withEntry(index: number, change: Partial<NoteEntry>): Uint8Array {
  return altered((parts) => ({
    ...parts,
    entries: parts.entries.map((entry, i) => (i === index ? { ...entry, ...change } : entry)),
  }));
}

/** A signed object whose signed payload says something else. */
function repaid(cose: Uint8Array, item: number, value: CborValue): Uint8Array {
  const [header, unprotected, payload, signature] = decode(cose) as CborValue[];
  const items = [...(decode(payload as Uint8Array) as CborValue[])];
  items[item] = value;
  return encode([header as CborValue, unprotected as CborValue, encode(items), signature as CborValue]);
}

describe("an honest note", () => {
  it("reads as it was made", () => {
    const note = readNote(good);
    expect(note.body).toEqual({ ...DRAFT, type: 1, generator: generator.id });
    expect(note.entries.map((entry) => toHex(entry.transferor))).toEqual(row.slice(0, 4).map((who) => toHex(who.id)));
    path.forEach((transfer, i) => {
      const { counter, amount, date, key } = transfer;
      expect(note.entries[i]).toMatchObject({ counter, amount, date, transferee: transfer.to, lock: sha256(key) });
    });
    expect(note.entries.map((entry) => entry.key)).toEqual([keyOf(1), keyOf(2), keyOf(3), null]);
    expect(note.entries.map((entry) => entry.certificate)).toEqual([
      null,
      teller.certificate,
      alice.certificate,
      bob.certificate,
    ]);
    expect(note.servers).toEqual([agency.server]);
    expect(encodeNote(note)).toEqual(good);
  });

  it("has the bytes that the protocol states", () => {
    const [version, body, certificate, entries, servers] = decode(good) as CborValue[];
    expect([version, certificate, servers]).toEqual([1, generator.certificate, [agency.server]]);
    const { id, issuer, value, issued, expiry, finalRedemption } = DRAFT;
    const dates = [issued, expiry, finalRedemption];
    expect(decode(payloadOf(body as Uint8Array))).toEqual([
      1,
      id,
      1,
      issuer,
      978,
      2,
      Number(value),
      ...dates,
      generator.id,
    ]);
    const [record, none, key] = (entries as CborValue[][])[0] as CborValue[];
    expect([none, key]).toEqual([null, keyOf(1)]);
    const stated = [1, sha256(body as Uint8Array), teller.id, 100, 10_000, NOW - 9 * DAY, sha256(keyOf(1))];
    expect(decode(payloadOf(record as Uint8Array))).toEqual(stated);
  });

  it("verifies, and says who moved it and who holds it", () => {
    const verified = verify(good);
    expect(verified.generator.id).toEqual(generator.id);
    expect(verified.transferors.map((who) => who.id)).toEqual(row.slice(0, 4).map((who) => who.id));
    expect({ holder: verified.holder, amount: verified.amount }).toEqual({ holder: carol.id, amount: 9_997n });
  });

  it("verifies after its first transfer, and when held with the key of its last", () => {
    const fresh = buildNote(DRAFT, generator, path.slice(0, 1));
    expect(verify(fresh).holder).toEqual(teller.id);
    const held = encodeNote(showKey(readNote(good), keyOf(4)));
    expect(verify(held, { now: NOW, held: true }).holder).toEqual(carol.id);
    expect(reasonOf(() => verify(held))).toBe(REASON_NOTE_INVALID);
    expect(reasonOf(() => verify(good, { now: NOW, held: true }))).toBe(REASON_NOTE_INVALID);
  });

  it("moves in part, in full, and back to who had it before", () => {
    const back = [generator, teller, alice, bob, alice, bob];
    const note = buildNote(DRAFT, generator, transfersAlong(back));
    expect(verify(note).holder).toEqual(bob.id);
    // Alice's and Bob's certificates are in it once.
    expect(readNote(note).entries.map((entry) => entry.certificate !== null)).toEqual([false, true, true, true, false]);
    const whole = path.map((transfer) => ({ ...transfer, amount: DRAFT.value }));
    expect(verify(buildNote(DRAFT, generator, whole)).amount).toBe(DRAFT.value);
  });

  it("carries the certificates of as many security servers as may be", () => {
    const others = [0xe2, 0xe3, 0xe4].map((fill) => new ModuleAgency(0xe0, fill));
    const members = others.map((other, i) => other.module({ fill: 0x20 + i }));
    const three = [generator, teller, ...members.slice(0, 2), alice];
    expect(readNote(buildNote(DRAFT, generator, transfersAlong(three))).servers.length).toBe(NOTE_ISSUERS_MAX);
    expect(verify(buildNote(DRAFT, generator, transfersAlong(three))).holder).toEqual(alice.id);
    const four = buildNote(DRAFT, generator, transfersAlong([generator, teller, ...members, alice]));
    expect(reasonOf(() => verify(four))).toBe(REASON_MALFORMED);
  });

  it("stays valid when a certificate has expired or was renewed since it signed", () => {
    const old = agency.module({ fill: 3, expiry: NOW - 8 * DAY });
    const renewed = agency.module({ fill: 3, signer: signerOf(0x33) });
    const moves = transfersAlong([generator, teller, old, bob, renewed, bob, renewed, carol]);
    // Two months later in the note's life.
    const dated = moves.map((move, i) => (i < 3 ? move : { ...move, date: NOW + i }));
    const note = readNote(buildNote(DRAFT, generator, dated));
    expect(note.entries.map((entry) => entry.certificate !== null)).toEqual([
      false,
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(verifyNote(note, agency.root, RULES).transferors[6]?.signatureKey).toEqual(renewed.signer.publicKey);
  });

  it("stays valid when its security server's certificate was renewed", () => {
    const before = new ModuleAgency(0xe0, 0xe1, NOW - 100 * DAY, NOW - 5 * DAY);
    const early = before.module({ fill: 3, expiry: NOW - 5 * DAY });
    const moves = transfersAlong([generator, teller, early, bob, carol]);
    const note = buildNote(DRAFT, generator, moves.with(3, { ...(moves[3] as TransferDraft), date: NOW }));
    expect(readNote(note).servers.length).toBe(2);
    expect(verify(note).holder).toEqual(carol.id);
    const reversed = altered((parts) => ({ ...parts, servers: [...parts.servers].reverse() }), note);
    expect(verify(reversed).holder).toEqual(carol.id);
  });

  it("is signed as any COSE library can check", async () => {
    const note = readNote(good);
    const objects = [
      { kind: SIGNED_NOTE_BODY, cose: note.signedBody, by: generator },
      ...note.entries.map((entry, i) => ({ kind: SIGNED_TRANSFER, cose: entry.record, by: row[i] as NoteSigner })),
    ];
    for (const { kind, cose, by } of objects) {
      const aad = Uint8Array.of(...new TextEncoder().encode("tallystick"), 1, kind);
      const object = Sign1.decode(cose);
      await object.verify(await importKey(by.signer.publicKey), { externalAAD: aad });
      await expect(
        object.verify(await importKey(alice.signer.publicKey.toReversed()), { externalAAD: aad }),
      ).rejects.toThrow();
      expect(new Uint8Array(object.payload)).toEqual(payloadOf(cose));
    }
  });
});

describe("time and tellers", () => {
  it("expires to the second, except before a teller or at no particular time", () => {
    const { expiry } = DRAFT;
    expect(reasonOf(() => verify(good, { now: expiry - 1 }))).toBe(0);
    expect(reasonOf(() => verify(good, { now: expiry }))).toBe(REASON_NOTE_EXPIRED);
    expect(reasonOf(() => verify(good, { now: expiry + 900 * DAY, teller: true }))).toBe(0);
    expect(reasonOf(() => verify(good, { now: undefined }))).toBe(0);
  });

  it("reaches the hop limit, where only a teller takes it, and never passes it", () => {
    const circle = Array.from({ length: HOPS_MAX + 1 }, (_value, i) => (i % 2 === 0 ? alice : bob));
    const along = (hops: number) =>
      buildNote(DRAFT, generator, transfersAlong([generator, teller, ...circle.slice(0, hops - 1)]));
    expect(reasonOf(() => verify(along(HOPS_MAX - 1)))).toBe(0);
    expect(reasonOf(() => verify(along(HOPS_MAX)))).toBe(REASON_HOP_LIMIT);
    expect(reasonOf(() => verify(along(HOPS_MAX), { now: NOW, teller: true }))).toBe(0);
    expect(reasonOf(() => readNote(along(HOPS_MAX + 1)))).toBe(REASON_HOP_LIMIT);
  });

  it("fits its room when all transferors and security servers differ", () => {
    const others = [agency, new ModuleAgency(0xe0, 0xe2), new ModuleAgency(0xe0, 0xe3)];
    const members = Array.from({ length: HOPS_MAX }, (_value, i) =>
      (others[i % 3] as ModuleAgency).module({ fill: 0x20 + i, ...(i === 0 ? { role: ROLE_TELLER } : {}) }),
    );
    const value = 2n ** 63n - 1n;
    const far = transfersAlong([generator, ...members], value).map((move) => ({ ...move, counter: 2n ** 64n - 1n }));
    const note = buildNote({ ...DRAFT, value }, generator, far);
    expect(note.length).toBeLessThanOrEqual(NOTE_BYTES_MAX);
    expect(verify(note, { now: NOW, teller: true }).amount).toBe(value - 9n);
    expect(readNote(note).entries.at(-1)?.counter).toBe(2n ** 64n - 1n);
  });
});

describe("history", () => {
  it.each([
    ["an amount that rises", restated({ 2: { amount: 10_001n }, 1: { amount: 9_000n } })],
    ["a rise by one, within the value", restated({ 1: { amount: 9_000n }, 2: { amount: 9_001n } })],
    ["more than the value at once", restated({ 0: { amount: 10_001n } })],
    ["a transfer of nothing", restated({ 3: { amount: 0n } })],
    ["a record that follows something else", restated({ 2: { before: new Uint8Array(32) } })],
    ["a record that follows the body again", restated({ 2: { before: sha256(readNote(good).signedBody) } })],
    ["a first record that follows nothing", restated({ 0: { before: new Uint8Array(32) } })],
    ["a last record that follows nothing", restated({ 3: { before: new Uint8Array(32) } })],
    ["a lock that its key does not open", restated({ 1: { lock: sha256(keyOf(99)) } })],
    ["a key that is another transfer's", withEntry(1, { key: keyOf(1) })],
    ["a transfer that was never committed", withEntry(0, { key: null })],
    ["a transfer on offer that shows its key", withEntry(3, { key: keyOf(4) })],
    ["somebody else's transfer", restated({ 2: { by: carol } })],
    ["a transferor that was never paid", restated({ 1: { to: carol.id } })],
    ["a first transfer that is not the generator's", restated({ 0: { by: alice } })],
    ["a body of another generator", restated({}, { generator: idOf(9) })],
    ["a transferor without certificate", withEntry(2, { certificate: null })],
    ["another's certificate", withEntry(2, { certificate: bob.certificate })],
    ["a transfer without date", restated({ 1: { date: 0 } })],
    ["a transfer cut out", altered((parts) => ({ ...parts, entries: parts.entries.filter((_entry, i) => i !== 1) }))],
    ["transfers in another order", altered((parts) => ({ ...parts, entries: swapped(parts.entries) }))],
    ["no transfer", encodeNote(mintNote(DRAFT, generator))],
    ["no security server that is known", altered((parts) => ({ ...parts, servers: [foreign(0xe7).server] }))],
    ["a security server that cannot be read", altered((parts) => ({ ...parts, servers: [Uint8Array.of(1)] }))],
  ])("refuses %s", (_name, bytes) => {
    expect(reasonOf(() => verify(bytes))).toBe(REASON_NOTE_INVALID);
    expect(reasonOf(() => verify(bytes, { now: NOW, teller: true }))).toBe(REASON_NOTE_INVALID);
  });

  it("refuses parts of one transfer that both go on: the second has another history", () => {
    const parts = showKey(readNote(buildNote(DRAFT, generator, path.slice(0, 2))), keyOf(2));
    const first = addTransfer(parts, { ...(path[2] as TransferDraft), amount: 6_000n });
    const second = addTransfer(parts, { ...(path[2] as TransferDraft), amount: 3_999n, counter: 500n });
    expect(reasonOf(() => verify(encodeNote(first)))).toBe(0);
    expect(reasonOf(() => verify(encodeNote(second)))).toBe(0);
    // What was signed after the first part does not go on from the second.
    const onward = readNote(
      encodeNote(addTransfer(showKey(first, keyOf(3)), { ...(path[3] as TransferDraft), amount: 5n })),
    );
    const entries = [...onward.entries];
    entries[2] = {
      ...(onward.entries[2] as (typeof entries)[0]),
      ...readNote(encodeNote(second)).entries[2],
      key: keyOf(3),
    };
    expect(reasonOf(() => verify(encodeNote({ ...onward, entries })))).toBe(REASON_NOTE_INVALID);
  });
});

function swapped(entries: readonly NoteEntry[]): NoteEntry[] {
  const [a, b, c, d] = entries;
  return [a, c, b, d] as NoteEntry[];
}

function foreign(serverFill: number): ModuleAgency {
  return new ModuleAgency(0xe0, serverFill);
}

describe("signatures", () => {
  const note = readNote(good);

  it("refuses a body that says something else than was signed", () => {
    const worth = { ...readNote(good), signedBody: repaid(note.signedBody, 6, 20_000) };
    // The hash chain holds again, so that only the generator's signature is left.
    const chained = worth.entries.slice(0, 0);
    const first = addTransfer({ ...worth, entries: chained }, path[0] as TransferDraft);
    expect(reasonOf(() => verify(encodeNote(first)))).toBe(REASON_BAD_SIGNATURE);
  });

  it.each([0, 1, 2, 3])("refuses a record %i that another key signed", (index) => {
    const thief = { ...(path[index] as TransferDraft).by, signer: signerOf(0x77) };
    expect(reasonOf(() => verify(restated({ [index]: { by: thief } })))).toBe(REASON_BAD_SIGNATURE);
  });

  it("refuses a last record that says something else than was signed", () => {
    const record = repaid((note.entries[3] as NoteEntry).record, 2, idOf(0x55));
    expect(reasonOf(() => verify(withEntry(3, { record })))).toBe(REASON_BAD_SIGNATURE);
  });

  it("refuses what was signed as another kind of object", () => {
    for (const kind of [SIGNED_NOTE_BODY, SIGNED_TICKET]) {
      const record = sign1(kind, payloadOf((note.entries[3] as NoteEntry).record), bob.signer);
      expect(reasonOf(() => verify(withEntry(3, { record })))).toBe(REASON_BAD_SIGNATURE);
    }
    const signedBody = sign1(SIGNED_TRANSFER, payloadOf(note.signedBody), generator.signer);
    const first = addTransfer({ ...mintNote(DRAFT, generator), signedBody }, path[0] as TransferDraft);
    expect(reasonOf(() => verify(encodeNote(first)))).toBe(REASON_BAD_SIGNATURE);
  });

  it("asks the verifier that it is given, for every signature in the note", () => {
    let asked = 0;
    const verifier = () => {
      asked += 1;
      return true;
    };
    verify(good, { now: NOW, verifier });
    // Body, and generator with server; four records, each transferor with server.
    expect(asked).toBe(3 + 4 * 3);
    expect(reasonOf(() => verify(good, { now: NOW, verifier: () => false }))).toBe(REASON_BAD_SIGNATURE);
  });
});

describe("certificates", () => {
  const moved = (by: NoteSigner) => transfersAlong([generator, teller, by, bob]);
  const reason = (by: NoteSigner) => reasonOf(() => verify(buildNote(DRAFT, generator, moved(by))));

  it("refuses a transferor of another root, under whatever name", () => {
    expect(reason(new ModuleAgency(0x50, 0x51).module({ fill: 3 }))).toBe(REASON_FOREIGN_CERTIFICATE);
    const impostor = new ModuleAgency(0x50, 0xe1).module({ fill: 3 });
    expect(reason({ ...impostor, server: agency.server })).toBe(REASON_BAD_SIGNATURE);
    expect(reason(impostor)).toBeGreaterThan(0);
  });

  it("refuses a certificate that was not valid when it signed", () => {
    const date = (moved(alice)[2] as TransferDraft).date;
    expect(reason(agency.module({ fill: 3, expiry: date }))).toBe(REASON_CERTIFICATE_EXPIRED);
    expect(reason(agency.module({ fill: 3, expiry: date + 1 }))).toBe(0);
    expect(reason(agency.module({ fill: 3, notBefore: date + 1 }))).toBe(REASON_CERTIFICATE_NOT_YET_VALID);
    expect(reason(agency.module({ fill: 3, notBefore: date }))).toBe(0);
  });

  it("refuses a generator whose certificate was not valid when it issued", () => {
    const late = agency.module({ fill: 1, role: ROLE_GENERATOR, notBefore: DRAFT.issued + 1 });
    const note = buildNote(DRAFT, late, transfersAlong([late, teller]));
    expect(reasonOf(() => verify(note))).toBe(REASON_CERTIFICATE_NOT_YET_VALID);
  });

  it("lets nobody but a generator make notes, nor a generator move them on", () => {
    for (const maker of [teller, alice]) {
      const note = buildNote(DRAFT, maker, transfersAlong([maker, bob]));
      expect(reasonOf(() => verify(note))).toBe(REASON_WRONG_ROLE);
    }
    expect(reason(agency.generator(0x11))).toBe(REASON_WRONG_ROLE);
    const back = buildNote(DRAFT, generator, transfersAlong([generator, teller, generator, alice]));
    expect(reasonOf(() => verify(back))).toBe(REASON_WRONG_ROLE);
  });

  it("looks at the generator's certificate even when the first transfer brings another", () => {
    const first = path[0] as TransferDraft;
    const alsoTeller = agency.module({ fill: 1, role: ROLE_TELLER });
    const made = addTransfer({ ...mintNote(DRAFT, generator), generatorCertificate: alsoTeller.certificate }, first);
    expect(made.entries[0]?.certificate).toEqual(generator.certificate);
    expect(reasonOf(() => verify(encodeNote(made)))).toBe(REASON_WRONG_ROLE);
    // A generator that signs in the name of another.
    const framed = addTransfer(mintNote({ ...DRAFT, generator: generator.id }, agency.generator(0x11)), first);
    expect(reasonOf(() => verify(encodeNote(framed)))).toBe(REASON_NOTE_INVALID);
  });

  it("knows only the modules' root", () => {
    expect(() => verifyNote(readNote(good), new Agency().root, RULES)).toThrow(RangeError);
    const other = new ModuleAgency(0x50, 0x51);
    expect(reasonOf(() => verifyNote(readNote(good), other.root, RULES))).toBe(REASON_FOREIGN_CERTIFICATE);
  });
});

describe("shape", () => {
  const items = () => [...(decode(good) as CborValue[])];
  const replaced = (item: number, value: CborValue) => encode(items().with(item, value));
  const body = readNote(good).signedBody;

  it.each([
    ["an unknown version", replaced(0, 2), REASON_NOTE_INVALID],
    ["an item too few", encode(items().slice(0, 4)), REASON_MALFORMED],
    ["an item too many", encode([...items(), 0]), REASON_MALFORMED],
    ["no generator certificate", replaced(2, null), REASON_MALFORMED],
    ["no security server", replaced(4, []), REASON_MALFORMED],
    ["an entry without place for a key", replaced(3, [[body, null]]), REASON_MALFORMED],
    [
      "a key of another length",
      replaced(3, [[readNote(good).entries[0]?.record ?? body, null, idOf(1)]]),
      REASON_MALFORMED,
    ],
    ["a body where a record should be", replaced(3, [[body, null, null]]), REASON_MALFORMED],
    ["a body of another version", replaced(1, repaid(body, 0, 2)), REASON_NOTE_INVALID],
    ["another type", replaced(1, repaid(body, 2, 2)), REASON_NOTE_INVALID],
    ["an impossible currency", replaced(1, repaid(body, 4, 1000)), REASON_NOTE_INVALID],
    ["an impossible exponent", replaced(1, repaid(body, 5, 10)), REASON_NOTE_INVALID],
    ["a value of nothing", replaced(1, repaid(body, 6, 0)), REASON_NOTE_INVALID],
    ["a value of 2^63", replaced(1, repaid(body, 6, 2n ** 63n)), REASON_MALFORMED],
    ["no date of issue", replaced(1, repaid(body, 7, 0)), REASON_NOTE_INVALID],
    ["an issue at its expiry", replaced(1, repaid(body, 7, DRAFT.expiry)), REASON_NOTE_INVALID],
    ["an expiry after redemption ends", replaced(1, repaid(body, 9, DRAFT.expiry - 1)), REASON_NOTE_INVALID],
    ["a negative value", replaced(1, repaid(body, 6, -1)), REASON_MALFORMED],
    ["a short note id", replaced(1, repaid(body, 1, new Uint8Array(15))), REASON_MALFORMED],
    ["nothing", new Uint8Array(0), REASON_MALFORMED],
    ["too many bytes", new Uint8Array(NOTE_BYTES_MAX + 1), REASON_TOO_LONG],
  ])("refuses %s", (_name, bytes, reason) => {
    expect(reasonOf(() => readNote(bytes))).toBe(reason);
  });

  it("reads bodies and records alone", () => {
    expect(readBody(body).value).toBe(10_000n);
    const record = readNote(good).entries[0]?.record ?? body;
    expect(readRecord(record).transferee).toEqual(teller.id);
    expect(reasonOf(() => readRecord(repaid(record, 3, -1)))).toBe(REASON_MALFORMED);
    expect(reasonOf(() => readRecord(repaid(record, 0, 3)))).toBe(REASON_NOTE_INVALID);
  });

  it("refuses a note with any one bit changed", () => {
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        const bytes = Uint8Array.from(good);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(reasonOf(() => verify(bytes))).toBeGreaterThan(0);
      }),
      { numRuns: 1500 },
    );
  });

  it("refuses a note that is cut short or goes on", () => {
    for (let length = 0; length < good.length; length += 7) {
      expect(reasonOf(() => readNote(good.subarray(0, length)))).toBe(REASON_MALFORMED);
    }
    expect(reasonOf(() => readNote(Uint8Array.of(...good, 0)))).toBe(REASON_MALFORMED);
  });
});

describe("arguments", () => {
  it("names what is wrong", () => {
    expect(() => readNote("note" as unknown as Uint8Array)).toThrow(/note: expected a Uint8Array/);
    expect(() => verify(good, { now: 0 })).toThrow(RangeError);
    expect(() => showKey(mintNote(DRAFT, generator), keyOf(1))).toThrow(RangeError);
    const long = { ...(path[0] as TransferDraft), counter: 2n ** 64n };
    expect(() => addTransfer(mintNote(DRAFT, generator), long)).toThrow(/transfer.counter/);
    const short = { ...(path[0] as TransferDraft), key: idOf(1) };
    expect(() => addTransfer(mintNote(DRAFT, generator), short)).toThrow(/transfer.key/);
  });
});

function importKey(raw: Uint8Array) {
  return crypto.subtle.importKey("raw", Uint8Array.from(raw), { name: "Ed25519" }, true, ["verify"]);
}
