/** What an applet asks of its chip: which functions of the platform, in which order. */

import type { Chip } from "../../simulator/chip.js";
import type { Platform } from "../../simulator/platform.generated.js";

const WATCHED: readonly (keyof Platform)[] = [
  "ed25519Sign",
  "ed25519Verify",
  "x25519Agree",
  "slotGenerate",
  "slotPublic",
  "slotDerive",
  "sha256",
  "hmacSha256",
  "hkdfSha256",
  "aeadSeal",
  "aeadOpen",
  "randomBytes",
  "flashProgram",
];

/** What the applet asks of the platform while `work` runs, in order. */
export async function platformCalls(chip: Chip, work: () => Promise<unknown>): Promise<(keyof Platform)[]> {
  const calls: (keyof Platform)[] = [];
  for (const name of WATCHED) {
    const real = chip[name].bind(chip) as (...values: never[]) => number;
    const value = (...values: never[]) => {
      calls.push(name);
      return real(...values);
    };
    Object.defineProperty(chip, name, { configurable: true, value });
  }
  try {
    await work();
  } finally {
    for (const name of WATCHED) Reflect.deleteProperty(chip, name);
  }
  return calls;
}

export function countOf(calls: readonly (keyof Platform)[], name: keyof Platform): number {
  return calls.filter((each) => each === name).length;
}
