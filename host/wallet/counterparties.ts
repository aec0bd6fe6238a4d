/**
 * Whom a wallet deals with, and how it gets a line to them. What is behind it may be another process on another machine, or
 * a part of the same home that nobody serves and that is opened here.
 */

import type { BankConnection } from "../applications/withdraw.js";
import type { PeerLink } from "../communications/link.js";
import type { Quote } from "../services/directory.js";
import type { Money, Unit } from "../units.js";

/** Where a peer of an open transaction is found again. */
export type Contact =
  | { readonly kind: "bank" }
  /** Subject id of the merchant's agent: its address may be another one next time. */
  | { readonly kind: "merchant"; readonly id: string }
  /** A name within the home, or the URL at which the other wallet waited. */
  | { readonly kind: "wallet"; readonly address: string };

/** Modules between which something is open, by subject id. */
export interface Ends {
  readonly own: string;
  /** Undefined: it is open at the other end alone, and which of its modules has it is known there. */
  readonly peer?: string;
}

/** A line to a peer. */
export interface Meeting {
  readonly link: PeerLink;
  /** Resolves when the other end has done its part, where that is in this process; elsewhere at once. */
  readonly ended: Promise<void>;
}

/** The merchant that was asked for is not in the directory. */
export class UnknownMerchantError extends Error {
  constructor(name: string, known: readonly string[]) {
    const list = known.length === 0 ? "It lists nobody who does this." : `It lists: ${known.join(", ")}.`;
    super(`The directory lists no merchant "${name}" who does this. No money moved. ${list}`);
    this.name = "UnknownMerchantError";
  }
}

export interface Counterparties {
  readonly bank: BankConnection;
  /** Currency in which an issuer of cards keeps its accounts; undefined: not known here. */
  accountUnit(issuer: string): Promise<Unit | undefined>;
  /** Merchants that do it, the cheapest first (WO 96/41315 fig. 7, 700-702). */
  quotes(direction: "buy" | "sell", money: Money, account: Unit): Promise<readonly Quote[]>;
  /** To a merchant's device, for a purchase or sale; its subject id and address are from the directory. */
  trade(merchant: { readonly id: string; readonly address: string }): Promise<Meeting>;
  /** To another wallet that waits for a payment. */
  payee(address: string): Promise<Meeting>;
  /** To whoever has something open with this wallet. */
  resume(contact: Contact, ends: Ends): Promise<Meeting>;
  /**
   * Waits a moment until the other ends of all lines have hung up, as whoever has the last message does. False: one has not, so
   * that it may lack what was said last.
   */
  farewell?(): Promise<boolean>;
}
