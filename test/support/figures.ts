/**
 * What was said, under the seals. A `Story` records every envelope that devices carry and, because it looks over the
 * shoulder of the chips' own encryption, knows what was sealed in each: the layers, outermost first, each with the key
 * it was sealed under. No host could do that; a test of a figure needs it to see who says what to whom, and under which key.
 *
 * A chip can also be turned into a liar: `cheat` changes what it is about to seal, as an opened chip could.
 */

import * as m from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import type { CarriedEnvelope, ElementSort } from "../../host/message-manager.js";
import type { Chip } from "../../simulator/chip.js";

/** One message in an envelope, or in another message. */
export interface Layer {
  readonly name: string;
  /** After its number. Of a handshake: the payload's items, if it has any. */
  readonly items: readonly CborValue[];
  /** Key under which it was sealed, in hexadecimal digits; undefined: in clear. */
  readonly key: string | undefined;
}

export interface Step extends CarriedEnvelope {
  /** Which device carried it: "A", "B". */
  readonly device: string;
  readonly layers: readonly Layer[];
  /** `A agent>peer INNER(NOTE)` */
  readonly text: string;
}

interface Sealed {
  readonly plain: Uint8Array;
  readonly key: string;
}

export type Cheat = (items: readonly CborValue[]) => readonly CborValue[] | undefined;

const STATIC_KEY_BYTES = 48;
const EPHEMERAL_BYTES = 32;

function namesWith(prefix: string, but = /^$/): ReadonlyMap<number, string> {
  const entries = Object.entries(m).filter(([name]) => name.startsWith(prefix) && !but.test(name));
  return new Map(entries.map(([name, number]) => [Number(number), name.slice(prefix.length)]));
}

const COMMANDS = namesWith("COMMAND_");
const NOTICES = namesWith("NOTICE_");
const LINK = namesWith("LINK_", /^LINK_PROMPT/);
const PEERS: Record<ElementSort, ReadonlyMap<number, string>> = {
  agent: namesWith("AGENT_"),
  module: namesWith("MODULE_"),
};
/** Messages that carry another one, in their last item. */
const CARRIERS: ReadonlySet<string> = new Set(["INNER", "PAYMENT", "PAYMENT_READY", "READY", "SUCCESS", "ABORTED"]);

export class Story {
  readonly steps: Step[] = [];
  readonly #sealed = new Map<string, Sealed>();
  readonly #cheats = new Map<Chip, Cheat[]>();
  readonly #watched = new Set<Chip>();

  /** A recorder for the device of this name. */
  recorder(device: string): (envelope: CarriedEnvelope) => void {
    return (envelope) => {
      const copy = { ...envelope, body: envelope.body.slice() };
      const layers = this.#open(copy);
      const said = layers.map(({ name }) => name);
      const inside = said.reduceRight((rest, name) => (rest === "" ? name : `${name}(${rest})`), "");
      this.steps.push({ ...copy, device, layers, text: `${device} ${envelope.from}>${envelope.to} ${inside}` });
    };
  }

  /** Learns from now on what this chip seals. */
  watch(chip: Chip): void {
    if (this.#watched.has(chip)) return;
    this.#watched.add(chip);
    const seal = chip.aeadSeal.bind(chip);
    chip.aeadSeal = (key, nonce, associated, plaintext, ciphertext) => {
      const plain = this.#cheated(chip, plaintext.slice());
      const keyDigits = toHex(key);
      const status = seal(key, nonce, associated, plain, ciphertext);
      if (status === 0) this.#sealed.set(toHex(ciphertext), { plain, key: keyDigits });
      return status;
    };
  }

  /** From now on the chip says something else of the same length, wherever `change` answers anything. */
  cheat(chip: Chip, change: Cheat): void {
    this.#cheats.set(chip, [...(this.#cheats.get(chip) ?? []), change]);
  }

  clear(): void {
    this.steps.length = 0;
    this.#cheats.clear();
  }

  /** What was said, without the copies that arrive: each message once, where it was said. */
  get said(): string[] {
    return this.sent().map(({ text }) => text);
  }

  /** Steps that a device's own elements or host made, by the beginning of their text. */
  sent(...beginnings: string[]): Step[] {
    const own = this.steps.filter(({ from, element }) => from === "host" || from === element);
    return beginnings.length === 0 ? own : own.filter(({ text }) => beginnings.some((each) => text.startsWith(each)));
  }

  /** The only step of this text. */
  step(text: string): Step {
    const found = this.sent().filter((each) => each.text === text);
    if (found.length !== 1) throw new Error(`${found.length} steps "${text}" in\n${this.said.join("\n")}`);
    return found[0] as Step;
  }

  /** Numbers of the steps of these texts; a test compares them with themselves sorted. */
  places(...texts: string[]): number[] {
    const said = this.said;
    return texts.map((text) => {
      const place = said.indexOf(text);
      if (place < 0) throw new Error(`nobody said "${text}" in\n${said.join("\n")}`);
      return place;
    });
  }

  #cheated(chip: Chip, plain: Uint8Array): Uint8Array {
    for (const change of this.#cheats.get(chip) ?? []) {
      const items = tryDecode(plain);
      const changed = Array.isArray(items) ? change(items as CborValue[]) : undefined;
      if (changed === undefined) continue;
      const bytes = encode(changed as CborValue[]);
      if (bytes.length !== plain.length) throw new RangeError(`a cheat of ${bytes.length} bytes for ${plain.length}`);
      return bytes;
    }
    return plain;
  }

  #open({ kind, body, element, from }: CarriedEnvelope): Layer[] {
    if (kind === m.KIND_HOST) return [this.#message(body, from === "host" ? COMMANDS : NOTICES, undefined)];
    if (kind === m.KIND_LINK) {
      const sealed = this.#sealed.get(toHex(body.subarray(1)));
      return this.#nested(sealed, LINK, "module");
    }
    if (kind === m.KIND_LINK_OPEN) return [{ name: "LINK_OPEN", items: [body.slice()], key: undefined }];
    return this.#between(kind, body, element);
  }

  /** What elements of one sort in two devices say to each other. */
  #between(kind: number, body: Uint8Array, sort: ElementSort): Layer[] {
    if (kind === m.KIND_HANDSHAKE) return [this.#handshake(body)];
    if (kind === m.KIND_SEALED) return this.#nested(this.#sealed.get(toHex(body)), PEERS[sort], "module");
    if (kind === m.KIND_REFUSAL) return [{ name: "REFUSAL", items: [body[0] ?? 0], key: undefined }];
    return [{ name: kind === m.KIND_TIMEOUT ? "TIMEOUT" : `KIND ${kind}`, items: [], key: undefined }];
  }

  #handshake(body: Uint8Array): Layer {
    const step = body[1] ?? 0;
    const name = `HANDSHAKE_${step}`;
    const from = step === 2 ? EPHEMERAL_BYTES + STATIC_KEY_BYTES : STATIC_KEY_BYTES;
    const sealed = step === 1 ? undefined : this.#sealed.get(toHex(body.subarray(2 + from)));
    if (sealed === undefined) return { name, items: [], key: undefined };
    return { name, items: decode(sealed.plain) as CborValue[], key: sealed.key };
  }

  #nested(sealed: Sealed | undefined, names: ReadonlyMap<number, string>, inside: ElementSort): Layer[] {
    if (sealed === undefined) return [{ name: "SEALED", items: [], key: "" }];
    const layer = this.#message(sealed.plain, names, sealed.key);
    const inner = layer.items.at(-1);
    if (!CARRIERS.has(layer.name) || !(inner instanceof Uint8Array) || inner.length < 2) return [layer];
    const isMessage = inner[0] === m.KIND_HANDSHAKE || this.#sealed.has(toHex(inner.subarray(1)));
    return isMessage ? [layer, ...this.#between(inner[0] ?? 0, inner.subarray(1), inside)] : [layer];
  }

  #message(plain: Uint8Array, names: ReadonlyMap<number, string>, key: string | undefined): Layer {
    const [number, ...items] = decode(plain) as CborValue[];
    return { name: names.get(Number(number)) ?? `NUMBER ${String(number)}`, items, key };
  }
}

function tryDecode(plain: Uint8Array): CborValue | undefined {
  try {
    return decode(plain);
  } catch {
    return undefined;
  }
}
