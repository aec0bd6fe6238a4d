/** Links that are bad for longer than one message (`in-process.ts` says what can happen to one): cut in two, or lossy. */

import type { Disturbance, MessageFate } from "./in-process.js";

const DELIVER: MessageFate = { kind: "deliver" };
const LOSE: MessageFate = { kind: "lose" };

/** 0 and 1 as in `Disturbance`. */
export type Direction = 0 | 1;

/**
 * A link that is parted and healed: meanwhile nothing that is sent in the blocked direction, or in either, arrives, and
 * neither end is told. What was sent before is still on its way. Give `disturbance` to the link.
 */
export class Partition {
  #blocked: Direction | "both" | undefined;
  #lost = 0;

  /** @param otherwise what happens to messages while the link is whole */
  constructor(private readonly otherwise?: Disturbance) {}

  part(blocked: Direction | "both" = "both"): void {
    this.#blocked = blocked;
  }

  heal(): void {
    this.#blocked = undefined;
  }

  get isParted(): boolean {
    return this.#blocked !== undefined;
  }

  /** Messages that met the partition. */
  get lost(): number {
    return this.#lost;
  }

  readonly disturbance: Disturbance = (direction, index, message) => {
    if (this.#blocked === "both" || this.#blocked === direction) {
      this.#lost += 1;
      return LOSE;
    }
    return this.otherwise?.(direction, index, message) ?? DELIVER;
  };
}

/** What a lossy link does, as shares of all messages; the rest is delivered. */
export interface Lossiness {
  readonly lose: number;
  readonly repeat: number;
  readonly overtaken: number;
  readonly delay: number;
  /** One bit is turned over. */
  readonly corrupt: number;
  /** The link ends. */
  readonly cut: number;
  readonly delayMax_ms: number;
}

/**
 * A link on which all of it happens, mixed.
 * @param random 32 random bits a call
 */
export function lossy(shares: Lossiness, random: () => number): Disturbance {
  const kinds = ["lose", "repeat", "overtaken", "delay", "corrupt", "cut"] as const;
  return (_direction, _index, message) => {
    let drawn = random() / 2 ** 32;
    for (const kind of kinds) {
      drawn -= shares[kind];
      if (drawn < 0) return fateOf(kind, message, shares, random);
    }
    return DELIVER;
  };
}

function fateOf(
  kind: Exclude<keyof Lossiness, "delayMax_ms">,
  message: Uint8Array,
  { delayMax_ms }: Lossiness,
  random: () => number,
): MessageFate {
  switch (kind) {
    case "repeat":
      return { kind, times: 1 + (random() % 3) };
    case "overtaken":
      return { kind, messages: 1 + (random() % 3) };
    case "delay":
      return { kind, delay_ms: 1 + (random() % delayMax_ms) };
    case "corrupt":
      return { kind: "replace", message: corrupted(message, random) };
    default:
      return { kind };
  }
}

function corrupted(message: Uint8Array, random: () => number): Uint8Array {
  const altered = message.slice();
  const at = random() % Math.max(1, altered.length);
  if (altered.length > 0) altered[at] = (altered[at] ?? 0) ^ (1 << (random() & 7));
  return altered;
}
