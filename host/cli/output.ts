/** What commands print: for people, or as JSON; and what their exit codes mean. */

import { currencyCode, formatDecimal, formatMoney, type Money } from "../units.js";
import type { AuditLine } from "../world/audit.js";

/** 0: done. */
export const EXIT_FAILED = 1;
/** The command was not understood. */
export const EXIT_USAGE = 2;
/** Something needs an answer that nobody can give: use --yes. */
export const EXIT_UNCONFIRMED = 3;
/** Nobody knows yet whether it was done: a transaction is open, to be resumed. */
export const EXIT_OPEN = 4;
/** Ctrl-C, or the command was told to end. */
export const EXIT_INTERRUPTED = 130;

export interface Output {
  readonly json: boolean;
  /** A line for people; nothing with --json. */
  say(line: string): void;
  /** Progress of work that takes a while, on the error stream. */
  progress(what: string): void;
  /** The result: JSON with --json, else the lines. */
  result(value: unknown, lines: readonly string[]): void;
}

export function outputOf(json: boolean): Output {
  const quiet = json || !process.stderr.isTTY;
  return {
    json,
    say: (line) => {
      if (!json) process.stdout.write(`${line}\n`);
    },
    progress: (what) => {
      if (!quiet) process.stderr.write(`  ${what} ...\n`);
    },
    result: (value, lines) => {
      if (json) process.stdout.write(`${JSON.stringify(value, jsonValue)}\n`);
      else for (const line of lines) process.stdout.write(`${line}\n`);
    },
  };
}

/** Amounts are whole numbers of the smallest unit where JSON holds them exactly, else digits. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= -BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value.toString();
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}

/** Money in JSON: the currency and a decimal number as text. */
export function moneyJson(money: Money): { currency: string; amount: string } {
  return { currency: currencyCode(money.unit), amount: formatDecimal(money.amount, money.unit.exponent) };
}

export { printable } from "../printable.js";
export { formatMoney };

/** The audit as a table. */
export function auditLines(audit: readonly AuditLine[]): string[] {
  const columns = ["issued", "spendable", "provisional", "inDoubt", "redeemed", "destroyed", "unclaimed"] as const;
  const head = ["", "issued", "spendable", "provisional", "in doubt", "redeemed", "destroyed", "unclaimed", ""];
  const rows = audit.map((line) => [
    line.currency,
    ...columns.map((column) => formatDecimal(line[column], line.exponent)),
    line.balanced ? "balanced" : "DOES NOT BALANCE",
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padStart(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
