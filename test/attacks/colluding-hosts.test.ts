/**
 * Both hosts belong to one attacker, who has kept every APDU of all four chips since they were blank. In the source R(1) and
 * R(2) pass them in clear, and R(1) XOR R(2) is the key between agent and module: they own it. Here no key of any channel is
 * among what they have seen, nor can it be made of that: not of R(1) and R(2) either, if somebody told them.
 */

import { chacha20 } from "@noble/ciphers/chacha.js";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { KIND_HANDSHAKE, KIND_LINK, KIND_SEALED, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { concatBytes, fromHex, toHex } from "../../host/codec/bytes.js";
import { hkdfSha256, hmacSha256, sha256 } from "../../host/crypto.js";
import { Element } from "../../simulator/element.js";
import type { Step } from "../support/figures.js";
import { FigureStage } from "../support/figures-stage.js";
import { names, noticeOf, trade } from "../support/purchase.js";

const KEY_BYTES = 32;
const KNOWN_BYTES = 8;
const TAG_BYTES = 16;
/** SLOT_PAIRING of firmware/lib/slots.ts. */
const SLOT_PAIRING = 4;
const NOTHING = new Uint8Array(0);
const text = (label: string) => new TextEncoder().encode(label);

/** A channel in one direction: what its key would have to make of its first message. */
interface Target {
  readonly channel: string;
  readonly key: string;
  /** What is XORed to the first bytes of it. */
  readonly stream: string;
}

let stage: FigureStage;
/** Every APDU, commands and responses, as they were. */
const seen: Uint8Array[] = [];
const targets = new Map<string, Target>();
let randoms: readonly [Uint8Array, Uint8Array];
/** Strings of 32 bytes that hosts know for what they are: links' randoms, ephemeral keys, hashes they are told. */
const fields: Uint8Array[] = [];

/** Beginning of the key stream of a message's body, under this key and counter 0. */
function streamOf(key: Uint8Array): string {
  return toHex(chacha20(key, new Uint8Array(12), new Uint8Array(KNOWN_BYTES), undefined, 1));
}

function xor(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((byte, at) => byte ^ (other[at] ?? 0));
}

function nameOf({ device, kind, from, body }: Step, depth: number): string {
  if (depth > 0) return "MM/MM";
  return kind === KIND_LINK ? `${device} TA/MM epoch ${body[0]}, from ${from}` : "TA/TA";
}

/** The keys that the elements used, each a target; those of the handshakes end with them. */
function noteTargets(): void {
  for (const step of stage.story.sent()) {
    if (step.kind !== KIND_LINK && step.kind !== KIND_SEALED) continue;
    for (const [depth, { key, name }] of step.layers.entries()) {
      if (key === undefined || name.startsWith("HANDSHAKE") || targets.has(key)) continue;
      const stream = streamOf(fromHex(key));
      targets.set(key, { channel: nameOf(step, depth), key, stream });
    }
  }
}

beforeAll(async () => {
  const { transmit } = Element.prototype;
  const spy = vi.spyOn(Element.prototype, "transmit").mockImplementation(function (this: Element, command) {
    const response = transmit.call(this, command);
    seen.push(command.slice(), response.slice());
    return response;
  });
  stage = await FigureStage.create("colluding hosts");
  for (const type of [TYPE_PURCHASE, TYPE_SALE]) {
    const { customer, merchant } = await trade(stage.world, stage.A, stage.B, { type });
    expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
    fields.push(noticeOf(customer, "done").payId as Uint8Array, noticeOf(merchant, "authorize").receiptHash);
  }
  spy.mockRestore();
  noteTargets();
  for (const { layers, kind, body } of stage.story.steps) {
    if (layers[0]?.name === "LINK_OPEN") fields.push(body.slice());
    if (kind === KIND_HANDSHAKE) fields.push(body.slice(2, 2 + KEY_BYTES));
  }
  const first = (beginning: string) => stage.story.sent(beginning).at(-1)?.layers[0]?.items[0] as Uint8Array;
  randoms = [first("A agent>peer PAYMENT"), first("B agent>peer PAYMENT_READY")];
});

/** Which channels one of these keys opens. */
function opened(candidates: Iterable<Uint8Array>): string[] {
  const streams = new Map([...targets.values()].map(({ stream, channel }) => [stream, channel]));
  const found: string[] = [];
  for (const candidate of candidates) {
    const channel = streams.get(streamOf(candidate));
    if (channel !== undefined) found.push(channel);
  }
  return found;
}

/** Every string of 32 bytes in everything that was seen, once. */
function windows(): Uint8Array[] {
  const distinct = new Map<string, Uint8Array>();
  for (const bytes of seen) {
    for (let at = 0; at + KEY_BYTES <= bytes.length; at += 1) {
      const window = bytes.subarray(at, at + KEY_BYTES);
      distinct.set(Buffer.from(window).toString("latin1"), window);
    }
  }
  return [...distinct.values()];
}

function known(): Uint8Array[] {
  return [...new Map([...fields, ...randoms].map((each) => [toHex(each), each])).values()];
}

/** What two who know all this might try as key: pieces, their sums as in the source, hashes, and derivations of them. */
function* combinations(): Generator<Uint8Array> {
  const pieces = known();
  for (const one of pieces) {
    yield one;
    yield sha256(one);
    for (const other of pieces) {
      const sum = xor(one, other);
      for (const each of [sum, sha256(sum), sha256(concatBytes(one, other)), hmacSha256(one, other)]) {
        yield each;
        yield* channelKeys(each);
      }
    }
  }
}

/** Both keys of a link, from the one that agent and module derive. */
function channelKeys(key: Uint8Array): [Uint8Array, Uint8Array] {
  const both = hkdfSha256(NOTHING, key, text("tallystick channel"), 2 * KEY_BYTES);
  return [both.subarray(0, KEY_BYTES), both.subarray(KEY_BYTES)];
}

/** What key TA/MM is derived from beside the pairing secret, for the last payment. */
function publicPart(device: "A" | "B"): Uint8Array {
  const steps = stage.story.sent(`${device} agent>module PAYMENT`);
  const agents = steps.at(-1)?.layers[0]?.items[1] as Uint8Array;
  const ready = stage.story.sent(`${device} module>agent READY`).at(-1)?.layers[0]?.items[0] as Uint8Array;
  return concatBytes(text("TA/MM"), xor(...randoms), agents, ready);
}

describe("two hosts that put together what they have seen", () => {
  it("have seen all of it: every channel of both devices, from the first command to a blank chip", () => {
    const channels = [...targets.values()].map(({ channel }) => channel);
    // Two sessions of agents and of modules, both directions; two links of two epochs, some kept from the first purchase.
    for (const channel of ["TA/TA", "MM/MM"]) expect(channels.filter((each) => each === channel)).toHaveLength(4);
    for (const device of ["A", "B"]) {
      for (const epoch of [0, 1]) {
        for (const from of ["agent", "module"])
          expect(channels).toContain(`${device} TA/MM epoch ${epoch}, from ${from}`);
      }
    }
    expect(seen.length).toBeGreaterThan(500);
    expect(known().length).toBeGreaterThan(8);
  });

  it("would know a key if they had it: each one opens what it sealed, as the elements sealed it", () => {
    for (const { key, channel } of targets.values()) {
      const candidate = [fromHex(key)];
      expect(opened(candidate)).toEqual([channel]);
    }
    // The stream is that of the message itself: XORed to what was carried it gives what was said.
    const step = stage.story.sent("A agent>peer REQUEST_CREDENTIAL")[0] as Step;
    const plain = chacha20(
      fromHex(step.layers[0]?.key as string),
      new Uint8Array(12),
      step.body.slice(0, -TAG_BYTES),
      undefined,
      1,
    );
    expect(toHex(plain)).toBe("8102");
  });

  it("find no key of any channel among all that was ever sent to a chip or came from one", () => {
    const all = windows();
    expect(all.length).toBeGreaterThan(50_000);
    expect(opened(all)).toEqual([]);
  });

  it("make none of it: no sum of two, as in the source, no hash, no derivation; R(1) and R(2) in hand", () => {
    const candidates = [...combinations()];
    expect(candidates.length).toBeGreaterThan(500);
    expect(opened(candidates)).toEqual([]);
    expect(opened([xor(...randoms), ...channelKeys(xor(...randoms))])).toEqual([]);
  });

  it("lack one thing for key TA/MM, the pairing secret: with all else known, nothing that was seen is it", () => {
    for (const [device, chips] of [
      ["A", stage.A],
      ["B", stage.B],
    ] as const) {
      const info = publicPart(device);
      const key = new Uint8Array(KEY_BYTES);
      // The chip itself, which has the secret, makes the key of it: what the attacker would compute is right.
      expect(chips.agent.simulated.chip.slotDerive(SLOT_PAIRING, info, key)).toBe(0);
      const epoch1 = opened(channelKeys(key)).sort();
      expect(epoch1).toEqual([`${device} TA/MM epoch 1, from agent`, `${device} TA/MM epoch 1, from module`]);
      const guesses = function* (): Generator<Uint8Array> {
        for (const secret of known()) yield* channelKeys(hkdfSha256(NOTHING, secret, info, KEY_BYTES));
      };
      expect(opened(guesses())).toEqual([]);
    }
  });

  it("do not find the pairing secret in what the pairing sent: no string of 32 bytes makes the key of a payment", () => {
    const info = publicPart("A");
    const key = new Uint8Array(KEY_BYTES);
    expect(stage.A.agent.simulated.chip.slotDerive(SLOT_PAIRING, info, key)).toBe(0);
    const secrets = windows().filter(
      (secret) => Buffer.compare(hkdfSha256(NOTHING, secret, info, KEY_BYTES), key) === 0,
    );
    expect(secrets).toEqual([]);
  });
});
