/** What lines to a server are for, and a bank that is reached over them. */

import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import type { RandomSource } from "../randomness.js";
import type { Timers } from "../services/clock.js";

export const LINE = {
  /** To a merchant: a purchase or sale. */
  trade: "trade",
  /** To a wallet that waits for it: a payment. */
  pay: "pay",
  /** To a bank: a withdrawal, a deposit. */
  teller: "teller",
  /** To settle what is open; `?module=` names the element at the other end that has it, where there are several. */
  resume: "resume",
} as const;

export interface LineParts {
  readonly timers: Timers;
  readonly random: RandomSource;
}

/**
 * Connections to a bank that another process serves. How much will be asked for is not said in advance: a bank has no notes
 * made for somebody whom it does not know yet.
 */
export function bankOverLines(url: string, parts: LineParts): BankConnection {
  return {
    connect: () => openLine(url, LINE.teller, parts),
    connectForResume: () => openLine(url, LINE.resume, parts),
  };
}
