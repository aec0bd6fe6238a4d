/** The ways in which a power cut can leave one operation of a chip: what a test goes through to leave none out. */

import type { Operation } from "./faults.js";

/** Where power goes: "before", "after", or, within, a mask as `Fate.cut` takes it. */
export type Tear = "before" | "after" | Uint8Array;

/** Random subsets of bits that are tried of every flash operation besides the regular ones. */
export const SUBSETS = 16;

/**
 * Keys and the counter change as one: before, after. Flash besides: no bit, all bits, every prefix of words, and random subsets of
 * a quarter, half and three quarters of the bits.
 * @param random 32 random bits a call
 */
export function* tearsOf(
  operation: Operation,
  wordSizeBytes: number,
  random: () => number,
  subsets = SUBSETS,
): Generator<Tear> {
  yield "before";
  const { lengthBytes } = operation;
  if (lengthBytes > 0) {
    for (let prefix = 0; prefix <= lengthBytes; prefix += wordSizeBytes) {
      yield new Uint8Array(lengthBytes).fill(0xff, 0, prefix);
    }
    for (let i = 0; i < subsets; i++) yield subsetOf(lengthBytes, i, random);
  }
  yield "after";
}

/** A quarter of the bits, half of them, three quarters, in turn. */
function subsetOf(lengthBytes: number, turn: number, random: () => number): Uint8Array {
  const mask = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) {
    const [first, second] = [random(), random()];
    mask[i] = turn % 3 === 0 ? first & second : turn % 3 === 1 ? first : first | second;
  }
  return mask;
}
