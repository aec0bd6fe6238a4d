/**
 * Any bytes, as a command, in any state, on the release firmware: an answer with a status word that docs/APDU.md knows, no
 * trap, the store as before (but for the count of PIN tries), and a payment that was under way still ends well.
 */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { SESSION_ERRORS_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import { encodeCommand } from "../../host/apdu.js";
import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { encode } from "../../host/codec/cbor.js";
import { encodeNote } from "../../host/codec/note.js";
import { command } from "../../host/commands.js";
import { readBalances } from "../../host/element-data.js";
import { authenticate } from "../../host/provision.js";
import { TlvReader } from "../../host/tlv.js";
import { CheatingSession, deliver } from "../support/cheating-module.js";
import { NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import { PIN } from "../support/modules.js";
import { isKnownStatus } from "../support/status.js";

interface Situation {
  readonly image: Uint8Array;
  /** Envelopes that end what is under way, and the money that is there then; nothing when nothing is. */
  readonly ending?: { readonly envelopes: readonly Uint8Array[]; readonly spendable: bigint };
  /** The store may change: whoever holds the personalisation key may write. */
  readonly open?: boolean;
}

const NAMES = [
  "blank",
  "initialised, open for personalisation",
  "idle",
  "without PIN and date",
  "listening",
  "asked whether to receive",
  "awaits the first note",
  "in doubt",
  "has proposed",
  "has offered",
  "has committed",
] as const;

let cheats: NoteCheats;
const situations = new Map<string, Situation>();

beforeAll(async () => {
  cheats = await NoteCheats.create("garbage");
  await payee();
  await payer();
  await others();
});

const image = () => cheats.alice.simulated.snapshot();
const peer = (body: Uint8Array) => concatBytes(Uint8Array.of(m.ADDRESS_PEER, m.KIND_SEALED), body);

/** A payment to alice, message by message; what is left of it is sealed beforehand. */
async function payee(): Promise<void> {
  const { alice } = cheats;
  const { parts, key } = cheats.offered(alice);
  await deliver(alice.element, command.listen());
  situations.set("listening", { image: image() });
  const session = new CheatingSession(cheats.cheat, alice.element, true);
  await session.initiate();
  await session.propose(usd(VALUE));
  const note = peer(session.seal(encode([m.MODULE_NOTE, 0, 1, session.locked(encodeNote(parts))])));
  const shown = peer(session.seal(encode([m.MODULE_KEY, key])));
  const ending = (...envelopes: Uint8Array[]) => ({ image: image(), ending: { envelopes, spendable: VALUE } });
  situations.set("asked whether to receive", ending(command.yes(), note, shown));
  await deliver(alice.element, command.yes());
  situations.set("awaits the first note", ending(note, shown));
  await deliver(alice.element, note);
  situations.set("in doubt", ending(shown));
  await deliver(alice.element, shown);
  situations.set("idle", { image: image() });
}

/** A payment by alice. */
async function payer(): Promise<void> {
  const { alice } = cheats;
  const session = new CheatingSession(cheats.friend, alice.element, false);
  await session.respond(await deliver(alice.element, command.pay(usd(4_000n), null)));
  const [correct, ready, confirm] = [m.MODULE_AMOUNT_CORRECT, m.MODULE_READY, m.MODULE_CONFIRM].map((word) =>
    peer(session.seal(encode([word]))),
  ) as [Uint8Array, Uint8Array, Uint8Array];
  const ending = (...envelopes: Uint8Array[]) => ({ image: image(), ending: { envelopes, spendable: VALUE - 4_000n } });
  situations.set("has proposed", ending(correct, ready, confirm));
  await deliver(alice.element, correct);
  situations.set("has offered", ending(ready, confirm));
  await deliver(alice.element, ready);
  situations.set("has committed", ending(confirm));
}

async function others(): Promise<void> {
  const { alice } = cheats;
  alice.simulated.restore((situations.get("idle") as Situation).image);
  alice.transport.reset();
  situations.set("without PIN and date", { image: image() });
  const { flash } = alice.simulated.chip;
  alice.simulated.powerOff();
  for (let page = 0; page < flash.geometry.pageCount; page += 1) flash.erase(page);
  await alice.element.restart();
  situations.set("blank", { image: image() });
  const key = Uint8Array.from({ length: 32 }, (_, i) => (i * 11 + 3) & 0xff);
  await alice.element.putKey(key);
  await authenticate(alice.element, key);
  situations.set("initialised, open for personalisation", { image: image(), open: true });
}

const header = (cla: fc.Arbitrary<number>, ins: fc.Arbitrary<number>) =>
  fc.tuple(
    cla,
    ins,
    fc.oneof(fc.constant(0), fc.nat(255)),
    fc.oneof(fc.constantFrom(0, 0x81, 0x0c, 0x14), fc.nat(255)),
  );
const known = fc.constantFrom(
  0x10,
  0x12,
  0x20,
  0x24,
  0x2c,
  0x46,
  0x82,
  0x84,
  0xa4,
  0xb2,
  0xc0,
  0xc2,
  0xca,
  0xd8,
  0xda,
  0xe2,
  0xf0,
);
const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const cbor = fc
  .array(fc.oneof(fc.nat(50), fc.maxSafeNat(), fc.constant(null), fc.boolean(), bytes(40)), { maxLength: 6 })
  .map((items) => encode(items));

/** Commands: any bytes; known ones with any data; envelopes of any source and kind. */
const garbage: fc.Arbitrary<Uint8Array> = fc.oneof(
  bytes(300),
  bytes(7_600),
  fc
    .tuple(header(fc.constantFrom(0, 0x80, 0x10, 0x90), known), fc.oneof(bytes(40), bytes(600)), fc.nat(65_536))
    .map(([[cla, ins, p1, p2], data, answerBytesMax]) => encodeCommand({ cla, ins, p1, p2, data, answerBytesMax })),
  fc.tuple(fc.nat(4), fc.nat(8), fc.oneof(bytes(60), bytes(1_500), cbor)).map(([source, kind, body]) => {
    const data = concatBytes(Uint8Array.of(source, kind), body);
    return encodeCommand({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data });
  }),
);

/** What is no garbage: what a host may order, and what anybody may do before there is a session. */
function isMeant(apdu: Uint8Array): boolean {
  const [cla, ins] = apdu;
  if (cla === 0x80 && ins === p.INS_OPEN) return true;
  if (cla === 0x80 && ins === p.INS_PUT_KEY) return true;
  if (cla !== 0x80 || ins !== p.INS_ENVELOPE) return false;
  const at = apdu[4] === 0 ? 7 : 5;
  if (apdu[at] !== m.ADDRESS_HOST) return false;
  return apdu[at + 1] === m.KIND_TIMEOUT || apdu[at + 1] === m.KIND_HOST;
}

function send(apdu: Uint8Array): { data: Uint8Array; status: number } {
  const answer = cheats.alice.transport.transmit(apdu);
  expect(answer.length).toBeGreaterThanOrEqual(2);
  const status = ((answer.at(-2) as number) << 8) | (answer.at(-1) as number);
  return { data: answer.subarray(0, -2), status };
}

function digest(): string {
  const tag = { p1: p.TAG_DIGEST >> 8, p2: p.TAG_DIGEST & 0xff };
  return toHex(send(encodeCommand({ cla: 0, ins: p.INS_GET_DATA, ...tag, answerBytesMax: 256 })).data);
}

const countsTries = (apdu: Uint8Array) =>
  [p.INS_VERIFY, p.INS_CHANGE_REFERENCE_DATA, p.INS_RESET_RETRY_COUNTER].includes(apdu[1] ?? 0);

function spendable(): bigint {
  const tag = { p1: p.TAG_BALANCE >> 8, p2: p.TAG_BALANCE & 0xff };
  const { data } = send(encodeCommand({ cla: 0, ins: p.INS_GET_DATA, ...tag, answerBytesMax: 65_536 }));
  return readBalances(new TlvReader(data).bytes(p.TAG_BALANCE))[0]?.spendable ?? 0n;
}

function verifyPin(): void {
  const data = new TextEncoder().encode(PIN);
  expect(send(encodeCommand({ cla: 0, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN, data })).status).toBe(p.SW_OK);
}

/** What is under way goes on, as if nothing had been. */
function end({ envelopes, spendable: expected }: NonNullable<Situation["ending"]>): void {
  verifyPin();
  for (const data of envelopes) {
    const { status } = send(encodeCommand({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data }));
    expect([status & 0xff00, status]).toContain((status & 0xff00) === p.SW_FETCH ? p.SW_FETCH : p.SW_OK);
  }
  expect(spendable()).toBe(expected);
}

const RUNS = 120;

describe("garbage", () => {
  test.each(NAMES)("%s", (name) => {
    const situation = situations.get(name) as Situation;
    const { simulated } = cheats.alice;
    const meant = situation.open === true ? () => false : isMeant;
    const batch = fc.array(
      garbage.filter((apdu) => !meant(apdu)),
      { minLength: 1, maxLength: SESSION_ERRORS_MAX - 1 },
    );
    fc.assert(
      fc.property(batch, (commands) => {
        simulated.restore(situation.image);
        const before = digest();
        for (const apdu of commands) {
          const { status } = send(apdu);
          expect(isKnownStatus(status), `${toHex(apdu.slice(0, 12))} answered ${status.toString(16)}`).toBe(true);
        }
        // Ends a chain that the garbage may have begun.
        send(Uint8Array.of(0, p.INS_GET_RESPONSE, 0, 0, 0));
        if (situation.open !== true && !commands.some(countsTries)) expect(digest()).toBe(before);
        if (situation.ending !== undefined && commands.filter(countsTries).length < 3) end(situation.ending);
      }),
      { numRuns: RUNS, seed: 1 },
    );
  });

  test("what is under way ends well when there was no garbage: the endings are real", () => {
    for (const [name, { image: at, ending }] of situations) {
      if (ending === undefined) continue;
      cheats.alice.simulated.restore(at);
      expect(() => end(ending), name).not.toThrow();
    }
  });
});
