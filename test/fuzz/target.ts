/** What the fuzzer knows of whatever it works on: inputs that can be kept in files, and what came of one. */

import type { Numbers } from "./numbers.js";

/** A step is bytes that are delivered; or a recorded command, as it was or with one of its layers saying something else. */
export interface Step {
  /** Index of the recorded command. */
  readonly base?: number;
  /** Layer of it that `bytes` replaces. */
  readonly layer?: number;
  readonly bytes?: Uint8Array;
  /** How the APDU is framed; absent: as it is. */
  readonly form?: Form;
  /** Power goes and comes instead. */
  readonly power?: true;
}

export const FORMS = ["chained", "chain-broken", "no-le", "small-le", "extended"] as const;
export type Form = (typeof FORMS)[number];

export interface Input {
  readonly target: string;
  readonly steps: readonly Step[];
}

/** The first word says which rule was broken; an input that was made smaller must break the same one. */
export class Finding extends Error {
  override readonly name = "Finding";

  constructor(
    readonly rule: string,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${rule}: ${what}`, options);
  }
}

/** A block that is reached twice, four times, ... is so many features. */
export const FEATURES_A_BLOCK = 8;

export interface Target {
  readonly name: string;
  /** Runs in a row whenever it is its turn; 1 if absent. */
  readonly burst?: number;
  /** Inputs that are known to be good. */
  seeds(): Input[];
  /** Runs one; throws Finding. What it reached is told as numbers, the same for the same behaviour. */
  run(input: Input, reached: (feature: number) => void): void;
  mutate(input: Input, numbers: Numbers, others: readonly Input[]): Input;
}

interface StoredStep extends Omit<Step, "bytes"> {
  readonly bytes?: string;
}

export function storedInput(input: Input): object {
  const steps = input.steps.map(({ bytes, ...step }) =>
    bytes === undefined ? step : { ...step, bytes: Buffer.from(bytes).toString("base64") },
  );
  return { target: input.target, steps };
}

export function readInput(stored: { readonly target: string; readonly steps: readonly StoredStep[] }): Input {
  const steps = stored.steps.map(({ bytes, ...step }) =>
    bytes === undefined ? step : { ...step, bytes: new Uint8Array(Buffer.from(bytes, "base64")) },
  );
  return { target: stored.target, steps };
}
