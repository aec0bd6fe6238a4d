/** What lines to a server are for, and a bank that is reached over them. */

import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import type { RandomSource } from "../randomness.js";
import type { Timers } from "../services/clock.js";
import type { Money } from "../units.js";
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
  readonly onOver?: (fault: Error | undefined) => void;
}

/**
 * What the bank owes a module whose refresh was broken off: `GET /owed?module=` on the port of its lines. Whoever knows the id
 * may ask; only the module itself can have it.
 */
export const OWED_PATH = "/owed";
const ANSWER_MS_MAX = 10_000;

/** A bank answers with what makes no sense. */
export class BankAnswerError extends Error {
  constructor(what: string) {
    super(
      `The bank did not say what it owes this wallet: ${what}. What it owes it goes on owing. Refresh again later.`,
    );
    this.name = "BankAnswerError";
  }
}

export function owedText(owed: readonly Money[]): string {
  return JSON.stringify(owed.map(({ amount, unit }) => ({ ...unit, amount: amount.toString() })));
}

async function askOwed(url: string, module: string): Promise<Money[]> {
  const address = new URL(url);
  address.protocol = address.protocol === "wss:" ? "https:" : "http:";
  address.pathname = OWED_PATH;
  address.search = `?module=${module}`;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS_MAX), redirect: "error" });
    if (!response.ok) throw new BankAnswerError(`it answered ${response.status}`);
    return readOwed(await response.json());
  } catch (error) {
    throw error instanceof BankAnswerError ? error : new BankAnswerError("it cannot be reached");
  }
}

function readOwed(answer: unknown): Money[] {
  if (!Array.isArray(answer)) throw new BankAnswerError("its answer is no list");
  return answer.map((each: Readonly<Record<string, unknown>> | null) => {
    const { currency, exponent, amount } = each ?? {};
    const isUnit = Number.isInteger(currency) && Number.isInteger(exponent);
    if (!isUnit || typeof amount !== "string" || !/^[0-9]{1,18}$/.test(amount)) {
      throw new BankAnswerError("its answer is no amount of money");
    }
    return { amount: BigInt(amount), unit: { currency: Number(currency), exponent: Number(exponent) } };
  });
}

/**
 * Connections to a bank that another process serves. How much will be asked for is not said in advance: a bank has no notes
 * made for somebody whom it does not know yet.
 */
export function bankOverLines(url: string, parts: LineParts): BankConnection {
  return {
    connect: () => openLine(url, LINE.teller, parts),
    connectForResume: () => openLine(url, LINE.resume, parts),
    refreshOwed: (subjectId) => askOwed(url, subjectId),
  };
}
