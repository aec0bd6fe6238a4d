/** The vectors of the standards on a board; keys that an applet cannot put into a slot are there from the beginning. */

import assert from "node:assert/strict";
import { fromHex, toHex } from "../../host/codec/bytes.js";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import { KEY_BYTES, KeyKind } from "../../simulator/platform.generated.js";
import {
  RFC_4231,
  RFC_5869,
  RFC_7748_AGREEMENT,
  RFC_7748_MULTIPLICATION,
  RFC_8032,
  RFC_8439,
} from "../support/crypto-vectors.js";
import type { BoardUnderTest } from "./board.js";
import { TwinPlatforms } from "./calls.js";

const COUNTER_BYTES = 4;
const SLOT_BYTES = 1 + KEY_BYTES;
/** Where outputs go; inputs lie before. */
const OUTPUT = 8192;

/** Slots with the keys of the vectors: those of RFC 8032, then the three scalars of RFC 7748. */
function registers(): Uint8Array {
  const bytes = new Uint8Array(REGISTER_BYTES_PERSISTENT);
  const put = (slot: number, kind: number, secret: string) => {
    bytes[COUNTER_BYTES + slot * SLOT_BYTES] = kind;
    bytes.set(fromHex(secret), COUNTER_BYTES + slot * SLOT_BYTES + 1);
  };
  RFC_8032.forEach(([, seed], slot) => {
    put(slot, KeyKind.Ed25519, seed);
  });
  const { alice, bob } = RFC_7748_AGREEMENT;
  [RFC_7748_MULTIPLICATION.scalar, alice, bob].forEach((scalar, i) => {
    put(RFC_8032.length + i, KeyKind.X25519, scalar);
  });
  return bytes;
}

class Bench {
  readonly #twins: TwinPlatforms;
  #next = 0;

  constructor(twins: TwinPlatforms) {
    this.#twins = twins;
  }

  /** Puts inputs into memory: address and length of each. */
  async inputs(...texts: readonly string[]): Promise<number[]> {
    const pairs: number[] = [];
    this.#next = 0;
    for (const text of texts) {
      const bytes = fromHex(text);
      await this.#twins.write(this.#next, bytes);
      pairs.push(this.#next, bytes.length);
      this.#next += bytes.length;
    }
    return pairs;
  }

  output(length: number): string {
    return toHex(this.#twins.memory.subarray(OUTPUT, OUTPUT + length));
  }

  async good(name: string, ...values: readonly number[]): Promise<void> {
    assert.equal(await this.#twins.call(name, ...values), 0, name);
  }
}

async function signatures(bench: Bench): Promise<void> {
  for (const [slot, [name, , publicKey, message, signature]] of RFC_8032.entries()) {
    await bench.good("slot_public", slot, OUTPUT, 32);
    assert.equal(bench.output(32), publicKey, name);
    const given = await bench.inputs(publicKey, message, signature);
    await bench.good("ed25519_verify", ...given);
    await bench.good("ed25519_sign", slot, ...given.slice(2, 4), OUTPUT, 64);
    assert.equal(bench.output(64), signature, name);
  }
}

async function agreements(bench: Bench): Promise<void> {
  const { point, product } = RFC_7748_MULTIPLICATION;
  const { alicePublic, bobPublic, shared } = RFC_7748_AGREEMENT;
  const first = RFC_8032.length;
  const cases = [
    [first, point, product],
    [first + 1, bobPublic, shared],
    [first + 2, alicePublic, shared],
  ] as const;
  for (const [slot, other, expected] of cases) {
    await bench.good("x25519_agree", slot, ...(await bench.inputs(other)), OUTPUT, 32);
    assert.equal(bench.output(32), expected);
  }
  await bench.good("slot_public", first + 1, OUTPUT, 32);
  assert.equal(bench.output(32), alicePublic);
}

async function sealed(bench: Bench): Promise<void> {
  const plaintext = toHex(new TextEncoder().encode(RFC_8439.plaintext));
  const length = plaintext.length / 2;
  const { key, nonce, associated, ciphertext } = RFC_8439;
  await bench.good("aead_seal", ...(await bench.inputs(key, nonce, associated, plaintext)), OUTPUT, length + 16);
  assert.equal(bench.output(length + 16), ciphertext);
  await bench.good("aead_open", ...(await bench.inputs(key, nonce, associated, ciphertext)), OUTPUT, length);
  assert.equal(bench.output(length), plaintext);
}

async function hashes(bench: Bench): Promise<void> {
  for (const [name, key, message, tag] of RFC_4231) {
    await bench.good("hmac_sha256", ...(await bench.inputs(key, message)), OUTPUT, 32);
    assert.equal(bench.output(32), tag, name);
  }
  for (const [name, salt, material, info, expected] of RFC_5869) {
    const length = expected.length / 2;
    await bench.good("hkdf_sha256", ...(await bench.inputs(salt, material, info)), OUTPUT, length);
    assert.equal(bench.output(length), expected, name);
  }
  await bench.good("sha256", ...(await bench.inputs("616263")), OUTPUT, 32);
  assert.equal(bench.output(32), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/** Number of calls. */
export async function checkVectors(board: BoardUnderTest, folder: string): Promise<number> {
  const twins = await TwinPlatforms.start({ board, folder, seed: "vectors", registers: registers() });
  try {
    const bench = new Bench(twins);
    for (const check of [signatures, agreements, sealed, hashes]) await check(bench);
    await twins.end();
  } catch (error) {
    await twins.abandon();
    throw error;
  }
  return twins.calls;
}
