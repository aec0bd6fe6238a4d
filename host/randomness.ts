/** Where random bytes come from: handed in, so that a whole world can run from one seed. */

import { randomFillSync } from "node:crypto";

export interface RandomSource {
  fill(destination: Uint8Array): void;
}

/** The machine's generator, fit for keys. */
export const systemRandom: RandomSource = { fill: (destination) => void randomFillSync(destination) };

export function randomBytes(source: RandomSource, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  source.fill(bytes);
  return bytes;
}
