/**
 * An opened chip wants an honest wallet to look like a cheat: it gives it one record in two sessions, so far apart that the
 * wallet has forgotten the first. Had the wallet taken both, it would pass on twice what it got once, and the proof of that
 * would name it. A lock belongs to one payment: in another one nothing that the cheat can show opens it.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TRAIL_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import { REASON_DUPLICATE } from "../../firmware/protocol/reasons.js";
import { encodeChain } from "../../host/codec/certificate.js";
import { counterProof, type OpenedRecord, recordPartsProof } from "../../host/codec/fraud-proof.js";
import { encodeNote, type NoteParts, readNote } from "../../host/codec/note.js";
import { command } from "../../host/commands.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { noteKey } from "../support/bound-locks.js";
import { CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { type Held, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;
/** What the cheat gave Alice once, as composed, and as it was locked for that session. */
let first: Held;
let locked: Uint8Array;
let firstKey: Uint8Array;
/** Alice, who has passed it on, and has forgotten that she had it. */
let forgetful: Uint8Array;
/** The record that brought it to her, and the one that took it away. */
let received: OpenedRecord;
let passedOn: OpenedRecord;

function opened(note: NoteParts, at: number, key: Uint8Array | null): OpenedRecord {
  const { record, certificate } = note.entries.at(at) as NoteParts["entries"][number];
  const [server] = note.servers;
  return { record, key: key as Uint8Array, chain: encodeChain(certificate as Uint8Array, server as Uint8Array) };
}

/** Alice pays the teller the one note that she has. */
async function payOn(): Promise<[OpenedRecord, OpenedRecord]> {
  const session = new CheatingSession(cheats.teller, alice.element, false);
  await session.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
  const note = readNote(session.heard(await session.correct())[0]?.[3] as Uint8Array);
  const [said] = session.heard(await session.ready());
  await session.confirm();
  await deliver(alice.element, command.forget(session.hash));
  const key = noteKey(session.hash, said?.[1] as Uint8Array);
  return [opened(note, -2, note.entries.at(-2)?.key ?? null), opened(note, -1, key)];
}

/** So many other receipts that the first one is on the trail no more. */
async function forget(): Promise<void> {
  for (let i = 0; i < TRAIL_MAX; i += 1) {
    const other = cheats.offered(alice, { amount: 1n });
    await cheats.takes(alice, other.parts, 1n, other.key);
    await cheats.spendAll(alice, cheats.friend);
  }
}

beforeAll(async () => {
  cheats = await NoteCheats.create("framed wallet");
  ({ alice } = cheats);
  first = cheats.offered(alice);
  const session = await cheats.agreed(alice, usd(VALUE));
  locked = session.locked(encodeNote(first.parts));
  firstKey = noteKey(session.hash, first.key);
  expect(session.heard(await session.note(0, 1, locked))).toEqual([[m.MODULE_READY]]);
  expect(noticeNames(await session.key(first.key))).toEqual(["received"]);
  [received, passedOn] = await payOn();
  await cheats.refuses(alice, [first.parts], VALUE, REASON_DUPLICATE);
  await forget();
  forgetful = alice.simulated.snapshot();
});

beforeEach(() => alice.simulated.restore(forgetful));

const verdict = (proof: Uint8Array) => checkFraudProof(proof, cheats.world.agencies.modules.root);

/** What the cheat might show in the second session, as far as it can make it. */
const SHOWN: readonly ((payId: Uint8Array) => Uint8Array)[] = [
  () => first.key,
  () => firstKey,
  (payId) => noteKey(payId, first.key),
  (payId) => noteKey(payId, firstKey),
  (payId) => payId,
];

describe("a wallet that has forgotten a record, and is given it again", () => {
  it("is shown nothing that opens it: the notes stay in doubt, and cannot be spent", async () => {
    for (const made of SHOWN) {
      alice.simulated.restore(forgetful);
      const session = await cheats.agreed(alice, usd(VALUE));
      expect(session.heard(await session.note(0, 1, locked))).toEqual([[m.MODULE_READY]]);
      expect(noticeNames(await session.key(made(session.hash)))).toEqual(["doubt"]);
      const [balance] = await alice.element.balances();
      expect(balance).toMatchObject({ spendable: 0n, inDoubt: VALUE });
    }
  });

  it("that is given another record under the same counter takes it; the proof is of the cheat's two, not of hers", async () => {
    const session = await cheats.agreed(alice, usd(VALUE));
    const other = session.locked(encodeNote(first.parts));
    expect(other).not.toEqual(locked);
    await session.note(0, 1, other);
    expect(noticeNames(await session.key(first.key))).toEqual(["received"]);
    const [again, passedOnAgain] = await payOn();

    const culprit = Buffer.from(cheats.cheat.id).toString("hex");
    expect(verdict(counterProof(received, again))).toMatchObject({ proved: true, culprit });
    for (const parent of [received, again]) {
      expect(verdict(recordPartsProof(parent, [passedOn, passedOnAgain]))).toMatchObject({ proved: false });
    }
    expect(verdict(counterProof(passedOn, passedOnAgain))).toMatchObject({ proved: false });
  });
});
