/** Names, as people read them, of the numbers of firmware/protocol: applets, roles, life cycle, addresses, kinds. */

import * as p from "../../firmware/protocol/apdu.js";
import * as k from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import * as t from "../../firmware/protocol/tokens.js";
import { APPLETS as ALL, type AppletName } from "../applets.js";
import { fromHex, toHex } from "../codec/bytes.js";

/** By the last byte of their AID. */
export const APPLETS: ReadonlyMap<number, AppletName> = new Map(ALL.map(({ number, name }) => [number, name]));

export const LIVES: ReadonlyMap<number, string> = new Map([
  [p.LIFE_BLANK, "blank"],
  [p.LIFE_INITIALISED, "initialised"],
  [p.LIFE_PERSONALISED, "personalised"],
  [p.LIFE_OPERATIONAL, "operational"],
  [p.LIFE_TERMINATED, "terminated"],
]);

export const ROLES: ReadonlyMap<number, string> = new Map([
  [0, "none"],
  [k.ROLE_CUSTOMER, "customer's agent"],
  [k.ROLE_MERCHANT, "merchant's agent"],
  [k.ROLE_AUTHORITY, "authority's agent"],
  [k.ROLE_NETWORK, "card authorization network"],
  [k.ROLE_PURSE, "purse"],
  [k.ROLE_MINT, "mint"],
  [k.ROLE_AGENT_SECURITY_SERVER, "agents' security server"],
  [k.ROLE_TRANSACTION, "money module"],
  [k.ROLE_TELLER, "teller's money module"],
  [k.ROLE_GENERATOR, "money generator"],
  [k.ROLE_MODULE_SECURITY_SERVER, "modules' security server"],
]);

export const ADDRESSES: ReadonlyMap<number, string> = new Map([
  [m.ADDRESS_HOST, "host"],
  [m.ADDRESS_AGENT, "agent"],
  [m.ADDRESS_MODULE, "module"],
  [m.ADDRESS_PEER, "peer"],
]);

export const ENVELOPE_KINDS: ReadonlyMap<number, string> = new Map([
  [m.KIND_HOST, "host"],
  [m.KIND_HANDSHAKE, "handshake"],
  [m.KIND_SEALED, "sealed"],
  [m.KIND_LINK_OPEN, "link-open"],
  [m.KIND_LINK, "link"],
  [m.KIND_TIMEOUT, "timeout"],
  [m.KIND_REFUSAL, "refusal"],
]);

export const PURPOSES: ReadonlyMap<number, string> = new Map([
  [k.PURPOSE_TRANSACTION, "transaction"],
  [k.PURPOSE_OUTCOME, "outcome"],
  [k.PURPOSE_PAIRING, "pairing"],
]);

export const TICKET_TYPES: ReadonlyMap<number, string> = new Map([
  [m.TICKET_AUTHORITY_CREDENTIAL, "authority credential"],
  [m.TICKET_MERCHANT_CREDENTIAL, "merchant credential"],
  [m.TICKET_CREDIT_CARD, "credit card"],
  [m.TICKET_DEBIT_CARD, "debit card"],
  [m.TICKET_RECEIPT, "receipt"],
]);

export const TRANSACTION_TYPES: ReadonlyMap<number, string> = new Map([
  [m.TYPE_PURCHASE, "purchase"],
  [m.TYPE_SALE, "sale"],
]);

export const LOG_KINDS: ReadonlyMap<number, string> = new Map([
  [m.LOG_SENT, "sent"],
  [m.LOG_RECEIVED, "received"],
  [m.LOG_REDEEMED, "redeemed"],
  [m.LOG_AUTHORIZED + m.TYPE_PURCHASE, "purchase"],
  [m.LOG_AUTHORIZED + m.TYPE_SALE, "sale"],
  [m.LOG_ACQUIRED, "credential acquired"],
  [m.LOG_ISSUED, "credential issued"],
]);

export const OUTCOMES: ReadonlyMap<number, string> = new Map([
  [m.OUTCOME_COMMITTED, "committed"],
  [m.OUTCOME_ABORTED, "aborted"],
  [m.OUTCOME_DOUBT, "in doubt"],
]);

export const PENDING_STATES: ReadonlyMap<number, string> = new Map([
  [1, "offered"],
  [2, "committed"],
  [3, "in doubt"],
  [4, "settled"],
]);

export const NOTE_STATES: ReadonlyMap<number, string> = new Map([
  [1, "spendable"],
  [2, "in doubt"],
  [4, "set aside for redemption"],
]);

export const PURSE_STATES: ReadonlyMap<number, string> = new Map([
  [t.PURSE_REQUESTED, "requested"],
  [t.PURSE_OPEN, "open"],
  [t.PURSE_CLOSED, "closed"],
]);

export const PURSE_KINDS: ReadonlyMap<number, string> = new Map([
  [t.PURSE_MONEY, "money"],
  [t.PURSE_AUTHORIZATION, "authorization"],
]);

/** "DF01", "9000": as documents write tags and status words. */
export function hex16(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, "0");
}

export function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, "0");
}

/** "F0 54 41". */
export function spacedHex(bytes: Uint8Array): string {
  return (toHex(bytes).toUpperCase().match(/../g) ?? []).join(" ");
}

/** Bytes of hexadecimal digits in either case, spaces anywhere; undefined when it is something else. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\s:]+/g, "").toLowerCase();
  return /^(?:[0-9a-f]{2})*$/.test(digits) ? fromHex(digits) : undefined;
}

/** The number with its name, or that nobody knows it. */
export function named(names: ReadonlyMap<number, string>, value: number): string {
  return `${value} (${names.get(value) ?? "not known"})`;
}
