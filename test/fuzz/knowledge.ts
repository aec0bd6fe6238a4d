/**
 * What the fuzzer knows that no attacker should: the key of everything that a recorded chip sealed or signed. So it can open
 * what peers say to each other, change what is inside, and seal and sign it again, as a peer would that was opened in a
 * laboratory. A recorded command is a row of layers: the APDU, its data, the envelope's body, the message sealed in it, the byte
 * strings in that, what is sealed or signed in these.
 */

import { INS_ENVELOPE } from "../../firmware/protocol/apdu.js";
import { SIGNED_TOKEN } from "../../firmware/protocol/kinds.js";
import { decodeCommand, encodeCommand } from "../../host/apdu.js";
import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { externalAad } from "../../host/codec/cose.js";
import { hostNoiseCrypto, type NoiseCrypto } from "../../host/codec/noise.js";
import type { Cryptography, SigningKey } from "../../simulator/crypto.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { valueIn } from "./mutate.js";

/** The last kind of signed object there is. */
const KIND_MAX = SIGNED_TOKEN;
const TAG_BYTES = 16;
const SIGNATURE_BYTES = 64;
const DEPTH_MAX = 12;
const LAYERS_MAX = 80;
const NESTED_BYTES_MIN = 8;
/** Shorter ones are no padding: their header would change its length with them. */
const PADDING_BYTES_MIN = 256;
const ENVELOPE_HEADER_BYTES = 2;

interface Seal {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly ciphertext: Uint8Array;
}

interface Signature {
  readonly key: SigningKey;
  readonly message: Uint8Array;
}

/** Nonces used by key in one run: what is sealed again must not fall behind. */
export type Nonces = Map<string, bigint>;

export interface Layer {
  /** Index of the layer around this one; -1 for the outermost. */
  readonly parent: number;
  readonly content: Uint8Array;
  /** The content of the layer around it when this one's is another. */
  around(content: Uint8Array, nonces: Nonces): Uint8Array;
}

export class Knowledge {
  readonly #seals: Seal[] = [];
  readonly #signatures = new Map<string, Signature>();
  readonly #authorities: SigningKey[] = [];

  /** The cryptography of a chip whose secrets are to be known. */
  recording(): Cryptography {
    const { aeadSeal, ed25519Sign } = sodiumCryptography;
    return {
      ...sodiumCryptography,
      aeadSeal: (key, nonce, associated, plaintext, ciphertext) => {
        // The buffers may be the same place.
        const known = {
          key: key.slice(),
          nonce: nonce.slice(),
          associated: associated.slice(),
          plaintext: plaintext.slice(),
        };
        aeadSeal(key, nonce, associated, plaintext, ciphertext);
        this.#seals.push({ ...known, ciphertext: ciphertext.slice() });
      },
      ed25519Sign: (key, message, signature) => {
        ed25519Sign(key, message, signature);
        const copy = { publicKey: key.publicKey.slice(), secretKey: key.secretKey.slice() };
        this.#signatures.set(toHex(signature), { key: copy, message: message.slice() });
      },
    };
  }

  /** What seals words to a chip, of somebody whose secrets are to be known. */
  recordingNoise(): NoiseCrypto {
    return {
      ...hostNoiseCrypto,
      seal: (key, nonce, associated, plaintext) => {
        const ciphertext = hostNoiseCrypto.seal(key, nonce, associated, plaintext);
        const known = { key: key.slice(), nonce: nonce.slice(), associated: associated.slice() };
        this.#seals.push({ ...known, plaintext: plaintext.slice(), ciphertext: ciphertext.slice() });
        return ciphertext;
      },
    };
  }

  /** A key that no chip has: an agency's, the card network's. */
  addAuthority(seed: Uint8Array): void {
    this.#authorities.push(sodiumCryptography.ed25519Key(seed));
  }

  layersOf(apdu: Uint8Array): Layer[] {
    const layers: Layer[] = [{ parent: -1, content: apdu, around: (content) => content }];
    try {
      const command = decodeCommand(apdu);
      if (command.data === undefined || command.data.length === 0) return layers;
      layers.push({ parent: 0, content: command.data, around: (data) => encodeCommand({ ...command, data }) });
      if (command.ins !== INS_ENVELOPE) this.#inside(layers, 1, 0);
      else {
        const head = command.data.subarray(0, ENVELOPE_HEADER_BYTES);
        const body = command.data.subarray(ENVELOPE_HEADER_BYTES);
        layers.push({ parent: 1, content: body, around: (content) => concatBytes(head, content) });
        this.#inside(layers, 2, 0);
      }
    } catch {
      // No APDU: it has one layer.
    }
    return layers;
  }

  #inside(layers: Layer[], parent: number, depth: number): void {
    if (depth > DEPTH_MAX || layers.length > LAYERS_MAX) return;
    const { content } = layers[parent] as Layer;
    const value = valueIn(content);
    if (value !== undefined) this.#insideValue(layers, parent, value, depth);
    else for (const seal of this.#sealsIn(content)) this.#insideSeal(layers, parent, seal, depth);
  }

  #insideValue(layers: Layer[], parent: number, value: CborValue, depth: number): void {
    const signed = signedParts(value);
    if (signed !== undefined) {
      const signature = this.#signatureOf(signed);
      if (signature !== undefined) {
        const at = layers.length;
        layers.push({ parent, content: signed.payload, around: (payload) => resigned(signed, signature, payload) });
        this.#inside(layers, at, depth + 1);
        return;
      }
    }
    const { length } = (layers[parent] as Layer).content;
    for (const path of bytePaths(value, [])) {
      const inner = valueAt(value, path) as Uint8Array;
      const at = layers.length;
      layers.push({
        parent,
        content: inner,
        around: (content) => encode(repadded(withValue(value, path, content), length)),
      });
      this.#inside(layers, at, depth + 1);
    }
  }

  #insideSeal(layers: Layer[], parent: number, seal: Seal, depth: number): void {
    const { content } = layers[parent] as Layer;
    const start = Buffer.from(content).indexOf(seal.ciphertext);
    const [head, tail] = [content.subarray(0, start), content.subarray(start + seal.ciphertext.length)];
    const at = layers.length;
    const around = (plaintext: Uint8Array, nonces: Nonces) =>
      concatBytes(head, sealedAgain(seal, plaintext, nonces), tail);
    layers.push({ parent, content: seal.plaintext, around });
    this.#inside(layers, at, depth + 1);
  }

  #sealsIn(content: Uint8Array): Seal[] {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
    return this.#seals.filter(
      ({ ciphertext }) =>
        ciphertext.length <= bytes.length &&
        bytes.includes(Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.length)),
    );
  }

  #signatureOf(signed: SignedParts): Signature | undefined {
    const id = toHex(signed.signature);
    const known = this.#signatures.get(id);
    if (known !== undefined) return known;
    for (const key of this.#authorities) {
      for (let kind = 1; kind <= KIND_MAX; kind++) {
        const message = encode(["Signature1", signed.head, externalAad(kind), signed.payload]);
        if (!sodiumCryptography.ed25519Verify(key.publicKey, message, signed.signature)) continue;
        const found = { key, message };
        this.#signatures.set(id, found);
        return found;
      }
    }
    return undefined;
  }
}

/** What to send when a layer says something else. */
export function rebuilt(layers: readonly Layer[], layer: number, content: Uint8Array, nonces: Nonces): Uint8Array {
  let at = Math.min(layer, layers.length - 1);
  let bytes = content;
  while (at >= 0) {
    const { parent, around } = layers[at] as Layer;
    bytes = around(bytes, nonces);
    at = parent;
  }
  return bytes;
}

/** The recorded nonce, or the next if the key was used beyond it. */
function sealedAgain(seal: Seal, plaintext: Uint8Array, nonces: Nonces): Uint8Array {
  const nonce = seal.nonce.slice();
  const view = new DataView(nonce.buffer, nonce.length - 8);
  const recorded = view.getBigUint64(0, true);
  const id = toHex(seal.key);
  const next = nonces.get(id) ?? 0n;
  const number = next > recorded ? next : recorded;
  view.setBigUint64(0, number, true);
  nonces.set(id, number + 1n);
  const ciphertext = new Uint8Array(plaintext.length + TAG_BYTES);
  sodiumCryptography.aeadSeal(seal.key, nonce, seal.associated, plaintext, ciphertext);
  return ciphertext;
}

interface SignedParts {
  readonly head: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

function signedParts(value: CborValue): SignedParts | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [head, open, payload, signature] = value as CborValue[];
  const isSigned = head instanceof Uint8Array && open instanceof Map && payload instanceof Uint8Array;
  if (!isSigned || !(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return undefined;
  return { head, payload, signature };
}

function resigned(signed: SignedParts, known: Signature, payload: Uint8Array): Uint8Array {
  const [context, head, associated] = decode(known.message) as CborValue[];
  const message = encode([context as CborValue, head as CborValue, associated as CborValue, payload]);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  sodiumCryptography.ed25519Sign(known.key, message, signature);
  return encode([signed.head, new Map(), payload, signature]);
}

/** What is filled up with zeros to one length, whatever is in it, has that length again: an item is as much longer as the zeros are shorter. */
function repadded(value: CborValue, length: number): CborValue {
  const last = Array.isArray(value) ? (value as CborValue[]).at(-1) : undefined;
  if (!(last instanceof Uint8Array) || last.length < PADDING_BYTES_MIN || last.some((byte) => byte !== 0)) return value;
  const padding = last.length + length - encode(value).length;
  return padding < 0 ? value : [...(value as CborValue[]).slice(0, -1), new Uint8Array(padding)];
}

type Path = readonly number[];

/** Where the byte strings are that may have something in them; paths are indexes of items, or keys of maps. */
function bytePaths(value: CborValue, path: Path): Path[] {
  if (value instanceof Uint8Array) return value.length >= NESTED_BYTES_MIN ? [path] : [];
  if (Array.isArray(value)) return (value as CborValue[]).flatMap((item, at) => bytePaths(item, [...path, at]));
  if (value instanceof Map)
    return [...value].flatMap(([key, item]) => bytePaths(item as CborValue, [...path, key as number]));
  return [];
}

function valueAt(value: CborValue, path: Path): CborValue {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  const inner = value instanceof Map ? value.get(first) : (value as CborValue[])[first];
  return valueAt(inner as CborValue, rest);
}

function withValue(value: CborValue, path: Path, content: Uint8Array): CborValue {
  const [first, ...rest] = path;
  if (first === undefined) return content;
  if (value instanceof Map) return new Map(value).set(first, withValue(value.get(first) as CborValue, rest, content));
  return (value as CborValue[]).map((item, at) => (at === first ? withValue(item, rest, content) : item));
}
