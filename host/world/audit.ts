/**
 * The audit: where every unit of electronic money is, from what money modules and banks' books answer and nothing else.
 *
 *   issued = spendable + provisional + inDoubt + redeemed + destroyed + unclaimed
 *
 * A transfer under way counts once: at the payer until the payer has stored its commit, from then at the payee.
 */

import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { toHex } from "../codec/bytes.js";
import type { Device } from "../device.js";
import type { Pending } from "../element-data.js";
import { currencyCode, type Unit, unitKey } from "../units.js";

export interface AuditLine {
  readonly currency: string;
  readonly exponent: number;
  readonly issued: bigint;
  readonly spendable: bigint;
  /** Offered by a payer that has not committed. */
  readonly provisional: bigint;
  /** Committed by the payer, not yet settled by the payee. */
  readonly inDoubt: bigint;
  readonly redeemed: bigint;
  /** In modules that are lost or destroyed, as the claims say that banks have paid. */
  readonly destroyed: bigint;
  readonly unclaimed: bigint;
  readonly balanced: boolean;
}

/** What the books of a bank say of its notes. */
export interface AuditedBooks {
  notesEnded(
    unit: Unit,
  ): Promise<{ readonly redeemed: bigint; readonly destroyed: bigint; readonly unclaimed: bigint }>;
}

type Sums = Record<"issued" | "spendable" | "provisional" | "inDoubt" | "redeemed" | "destroyed" | "unclaimed", bigint>;

interface PendingAt extends Pending {
  readonly module: string;
}

/** Audits all modules of a world against the books of its banks. Every module must be unlocked. */
export async function audit(devices: readonly Device[], books: readonly AuditedBooks[]): Promise<AuditLine[]> {
  const lines = new Map<string, { unit: Unit; sums: Sums }>();
  const sumsOf = (unit: Unit): Sums => {
    const key = unitKey(unit);
    const line = lines.get(key) ?? { unit, sums: noSums() };
    lines.set(key, line);
    return line.sums;
  };
  const pending: PendingAt[] = [];
  for (const device of devices) {
    const { module } = device.parts;
    if (module === undefined) continue;
    if (module.known.role === ROLE_GENERATOR) {
      for (const { unit, amount } of await module.issued()) sumsOf(unit).issued += amount;
    }
    for (const balance of await module.balances()) {
      sumsOf(balance.unit).spendable += balance.spendable;
      sumsOf(balance.unit).provisional += balance.offered;
    }
    for (const entry of await module.pending()) pending.push({ ...entry, module: module.idHex });
  }
  for (const entry of pending) if (isOnItsWay(entry, pending)) sumsOf(entry.money.unit).inDoubt += entry.money.amount;
  for (const { unit, sums } of lines.values()) {
    for (const book of books) {
      const ended = await book.notesEnded(unit);
      sums.redeemed += ended.redeemed;
      sums.destroyed += ended.destroyed;
      sums.unclaimed += ended.unclaimed;
    }
  }
  return [...lines.values()].map(({ unit, sums }) => lineOf(unit, sums));
}

/** What a payee holds in doubt is on its way if, and only if, its payer has committed; before that the payer has it. */
function isOnItsWay(entry: PendingAt, all: readonly PendingAt[]): boolean {
  if (entry.state !== "in doubt") return false;
  const payId = toHex(entry.payId);
  return all.some(
    (other) => other.state === "committed" && toHex(other.payId) === payId && other.module === toHex(entry.peer),
  );
}

function noSums(): Sums {
  return { issued: 0n, spendable: 0n, provisional: 0n, inDoubt: 0n, redeemed: 0n, destroyed: 0n, unclaimed: 0n };
}

function lineOf(unit: Unit, sums: Sums): AuditLine {
  const { issued, ...places } = sums;
  const found = Object.values(places).reduce((total, amount) => total + amount, 0n);
  return { currency: currencyCode(unit), exponent: unit.exponent, ...sums, balanced: issued === found };
}
