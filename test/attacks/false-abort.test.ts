/**
 * A payer that has committed would rather that its payee gave up the notes in doubt. Only its own signature over this very payment
 * makes a payee do so (outcome sessions; docs/PROTOCOLS.md, section 5): a word that it could deny, or that is of something else,
 * changes nothing, and the key still settles.
 */

import { describe, expect, it } from "vitest";
import { PURPOSE_OUTCOME, SIGNED_ABORTED, SIGNED_OUTCOME } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { encode } from "../../host/codec/cbor.js";
import { sign1 } from "../../host/codec/cose.js";
import { encodeNote, readNote } from "../../host/codec/note.js";
import type { Signer } from "../../host/codec/signer.js";
import { command } from "../../host/commands.js";
import { CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { NoteCheats, usd, VALUE } from "../support/cheating-notes.js";

const cheats = await NoteCheats.create("false abort");
const { alice, cheat, friend } = cheats;
const other = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte));

interface Word {
  readonly payId: Uint8Array;
  readonly payer: Uint8Array;
  readonly payee: Uint8Array;
  readonly lock: Uint8Array;
}

function word({ payId, payer, payee, lock }: Word, signer: Signer, kind = SIGNED_ABORTED, version = 1): Uint8Array {
  return sign1(kind, encode([version, payId, payer, payee, lock]), signer);
}

/** Alice has a note of the cheat in doubt. */
async function inDoubt() {
  cheats.restore();
  const { parts, key } = cheats.offered(alice);
  const session = await cheats.agreed(alice, usd(VALUE));
  const offered = session.locked(encodeNote(parts));
  const ready = await session.note(0, 1, offered);
  expect(session.heard(ready)).toEqual([[m.MODULE_READY]]);
  await alice.device.restart("1234");
  expect(await alice.element.pending()).toMatchObject([{ state: "in doubt" }]);
  const { lock } = readNote(offered).entries.at(-1) as { lock: Uint8Array };
  const genuine: Word = { payId: session.hash, payer: cheat.id, payee: alice.element.id, lock };
  return { genuine, key };
}

/** The payer meets Alice to settle, and says this of what she asks about. */
async function answered(payId: Uint8Array, key: Uint8Array | null, aborted: Uint8Array | null): Promise<string[]> {
  await deliver(alice.element, command.outcome(false));
  const session = new CheatingSession(cheat, alice.element, true, PURPOSE_OUTCOME);
  await session.initiate();
  const asked = session.heard(await session.say(m.MODULE_OPEN, [], []))[0] ?? [];
  expect(asked[4]).toMatchObject([[payId, expect.any(Uint8Array)]]);
  return noticeNames(await session.say(m.MODULE_CLOSE, [], [[payId, key, aborted]]));
}

const FALSE: readonly (readonly [string, (genuine: Word) => Uint8Array | null])[] = [
  ["nothing", () => null],
  ["no signature", () => new Uint8Array(80).fill(1)],
  ["a stranger's signature", (genuine) => word(genuine, friend.signer)],
  ["of another payment", (genuine) => word({ ...genuine, payId: other(genuine.payId) }, cheat.signer)],
  ["of another payer", (genuine) => word({ ...genuine, payer: friend.id }, cheat.signer)],
  ["to another payee", (genuine) => word({ ...genuine, payee: friend.id }, cheat.signer)],
  ["over another lock", (genuine) => word({ ...genuine, lock: other(genuine.lock) }, cheat.signer)],
  ["signed as something else", (genuine) => word(genuine, cheat.signer, SIGNED_OUTCOME)],
  ["of another version", (genuine) => word(genuine, cheat.signer, SIGNED_ABORTED, 2)],
];

describe("a payee in doubt gives up nothing for", () => {
  it.each(FALSE)("%s", async (_name, made) => {
    const { genuine, key } = await inDoubt();
    const { digest } = await cheats.state(alice);
    expect(await answered(genuine.payId, null, made(genuine))).toEqual(["settled"]);
    expect((await cheats.state(alice)).digest).toEqual(digest);
    expect(await answered(genuine.payId, other(key), null)).toEqual(["settled"]);
    expect((await cheats.state(alice)).digest).toEqual(digest);
    expect(await answered(genuine.payId, key, null)).toEqual(["received", "settled"]);
    expect((await alice.element.balances())[0]?.spendable).toBe(VALUE);
  });

  it("less than the payer's own word, which the payer is then held to", async () => {
    const { genuine } = await inDoubt();
    expect(await answered(genuine.payId, null, word(genuine, cheat.signer))).toEqual(["void", "settled"]);
    expect(await alice.element.pending()).toEqual([]);
    expect(await alice.element.notes()).toEqual([]);
  });
});
