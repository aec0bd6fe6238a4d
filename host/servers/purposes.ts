/** What lines to a server are for, and a bank that is reached over them. */

import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import type { RandomSource } from "../randomness.js";
import type { Timers } from "../services/clock.js";
import { formatMoney, type Money } from "../units.js";

export const LINE = {
  /** To a merchant: a purchase or sale. */
  trade: "trade",
  /** To a wallet that waits for it: a payment. */
  pay: "pay",
  /** To a bank: a withdrawal, a deposit. `?expect=` says how much will be withdrawn, so that notes are ready. */
  teller: "teller",
  /** To settle what is open; `?module=` names the element at the other end that has it, where there are several. */
  resume: "resume",
} as const;

export interface LineParts {
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly onOver?: (fault: Error | undefined) => void;
}

/** Connections to a bank that another process serves. */
export function bankOverLines(url: string, parts: LineParts): BankConnection {
  const expecting = (expected: Money | undefined) =>
    expected === undefined ? url : `${url}?expect=${encodeURIComponent(formatMoney(expected))}`;
  return {
    connect: (expected) => openLine(expecting(expected), LINE.teller, parts),
    connectForResume: () => openLine(url, LINE.resume, parts),
  };
}
