/** Random bytes: of the machine, or of a seed, so that a run can be repeated. */

import type { Cryptography } from "./crypto.js";

const KEY_BYTES = 32;
const STATE_BYTES = KEY_BYTES + 8;

export interface Randomness {
  fill(destination: Uint8Array): void;
  /** Bytes from which the same source goes on the same way; none for a source that cannot be repeated. */
  state(): Uint8Array;
  setState(state: Uint8Array): void;
}

export class MachineRandomness implements Randomness {
  constructor(private readonly cryptography: Cryptography) {}

  fill(destination: Uint8Array): void {
    this.cryptography.randomBytes(destination);
  }

  state(): Uint8Array {
    return new Uint8Array(0);
  }

  setState(_state: Uint8Array): void {
    // What the machine gives next depends on nothing that was kept.
  }
}

/** HMAC-SHA256 of a counter under a key that comes from the seed. For simulations, never for real money. */
export class SeededRandomness implements Randomness {
  private readonly key = new Uint8Array(KEY_BYTES);
  private blocks = 0n;

  constructor(
    private readonly cryptography: Cryptography,
    readonly seed: string | Uint8Array,
  ) {
    const bytes = typeof seed === "string" ? new TextEncoder().encode(seed) : seed;
    cryptography.sha256(bytes, this.key);
  }

  fill(destination: Uint8Array): void {
    const block = new Uint8Array(KEY_BYTES);
    for (let offset = 0; offset < destination.length; offset += block.length) {
      this.cryptography.hmacSha256(this.key, counterBytes(this.blocks), block);
      this.blocks++;
      destination.set(block.subarray(0, Math.min(block.length, destination.length - offset)), offset);
    }
  }

  /** A source of its own for each label, whatever the others draw. */
  fork(label: string): SeededRandomness {
    const seed = new Uint8Array(KEY_BYTES);
    this.cryptography.hmacSha256(this.key, new TextEncoder().encode(`fork:${label}`), seed);
    return new SeededRandomness(this.cryptography, seed);
  }

  /** A number from 0 up to, but not, `limit`, without bias. */
  below(limit: number): number {
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 32) throw new RangeError("limit: an integer, 1 to 2^32");
    const bytes = new Uint8Array(4);
    const view = new DataView(bytes.buffer);
    const usable = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      this.fill(bytes);
      const value = view.getUint32(0, true);
      if (value < usable) return value % limit;
    }
  }

  state(): Uint8Array {
    const state = new Uint8Array(STATE_BYTES);
    state.set(this.key);
    state.set(counterBytes(this.blocks), KEY_BYTES);
    return state;
  }

  setState(state: Uint8Array): void {
    if (state.length !== STATE_BYTES) throw new RangeError(`state: ${STATE_BYTES} bytes expected, got ${state.length}`);
    this.key.set(state.subarray(0, KEY_BYTES));
    this.blocks = new DataView(state.buffer, state.byteOffset + KEY_BYTES, 8).getBigUint64(0, true);
  }
}

function counterBytes(counter: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, counter, true);
  return bytes;
}
