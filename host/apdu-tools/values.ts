/** What the values in data objects, records and messages mean, and how people read them. */

import { RESTS_EXPIRED, RESTS_HOPS, RESTS_LAPSED, RESTS_LISTED } from "../../firmware/protocol/apdu.js";
import { reasonSentence } from "../reasons.js";
import { currencyCode } from "../units.js";
import * as n from "./names.js";

export type ValueKind =
  | "number"
  | "amount"
  | "currency"
  | "exponent"
  | "id"
  | "hash"
  | "key"
  | "seconds"
  | "duration"
  | "role"
  | "ticket-type"
  | "transaction-type"
  | "reason"
  | "bool"
  | "memo"
  | "bytes"
  | "text"
  | "life"
  | "applet"
  | "versions"
  | "wear"
  | "outcome"
  | "log-kind"
  | "pending-state"
  | "pending-flags"
  | "note-state"
  | "rests"
  | "purse-state"
  | "purse-kind"
  | "chain"
  | "certificate"
  | "signed"
  | "sealed"
  | "any";

export interface Field {
  readonly name: string;
  readonly kind: ValueKind;
}

/** "peer id: id, amount: amount": names and kinds, as the tables write them. */
export function fields(text: string): readonly Field[] {
  return text.split(",").map((part) => {
    const [name = "", kind = "number"] = part.split(":").map((each) => each.trim());
    return { name, kind: kind as ValueKind };
  });
}

const NAMED: Partial<Record<ValueKind, ReadonlyMap<number, string>>> = {
  role: n.ROLES,
  "ticket-type": n.TICKET_TYPES,
  "transaction-type": n.TRANSACTION_TYPES,
  life: n.LIVES,
  applet: n.APPLETS,
  outcome: n.OUTCOMES,
  "log-kind": n.LOG_KINDS,
  "pending-state": n.PENDING_STATES,
  "note-state": n.NOTE_STATES,
  "purse-state": n.PURSE_STATES,
  "purse-kind": n.PURSE_KINDS,
};

const PENDING_FLAGS = [
  [1, "confirmed"],
  [2, "acknowledged"],
  [4, "made for the own agent"],
] as const;

const RESTS = [
  [RESTS_EXPIRED, "expired"],
  [RESTS_HOPS, "at the hop limit"],
  [RESTS_LISTED, "an ancestor is on the bad-id list"],
  [RESTS_LAPSED, "past its final redemption date"],
] as const;

/** What a number means, behind it in brackets; empty where it means no more than itself. */
export function meaningOf(kind: ValueKind, value: number | bigint): string {
  const names = NAMED[kind];
  if (names !== undefined) return names.get(Number(value)) ?? "not known";
  switch (kind) {
    case "currency":
      return currencyCode({ currency: Number(value), exponent: 0 });
    case "seconds":
      return dateOf(value);
    case "duration":
      return `${Number(value) / 86_400} days`;
    case "reason":
      return reasonSentence(Number(value));
    case "pending-flags":
      return bitsOf(PENDING_FLAGS, Number(value));
    case "rests":
      return bitsOf(RESTS, Number(value));
    default:
      return "";
  }
}

function bitsOf(bits: readonly (readonly [number, string])[], value: number): string {
  const set = bits.filter(([bit]) => (value & bit) !== 0).map(([, name]) => name);
  return set.length === 0 ? "none" : set.join(", ");
}

/** The latest date that JavaScript can write. */
const SECONDS_MAX = 8_640_000_000_000n;

export function dateOf(seconds: number | bigint): string {
  const value = BigInt(seconds);
  if (value === 0n) return "none";
  if (value < 0n || value > SECONDS_MAX) return "no date";
  return new Date(Number(value) * 1000).toISOString().replace(".000Z", "Z");
}

/** Bytes that are printable ASCII, in quotes; undefined for others. */
export function quotedText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0 || !bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return undefined;
  return JSON.stringify(new TextDecoder().decode(bytes));
}
