/** What lines to a server are for, and a bank that is reached over them. */

import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import type { RandomSource } from "../randomness.js";
import type { Timers } from "../services/clock.js";
import type { Ends } from "../wallet/counterparties.js";

export const LINE = {
  /** To a merchant: a purchase or sale. */
  trade: "trade",
  /** To a wallet that waits for it: a payment. */
  pay: "pay",
  /** To a bank: a withdrawal, a deposit. */
  teller: "teller",
  /**
   * To settle what is open. Where there are several devices `?module=` names the one that has it, by its module, or
   * `?customer=` the module that has it with one of them, where only they know that.
   */
  resume: "resume",
} as const;

/** URL of a merchant at which what is open between these two modules is settled. */
export function resumptionUrl(url: string, { own, peer }: Ends): string {
  // What a directory says of an address may be anything; opening a line finds that out.
  if (!URL.canParse(url)) return url;
  const at = new URL(url);
  if (peer === undefined) at.searchParams.set("customer", own);
  else at.searchParams.set("module", peer);
  return at.href;
}

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
