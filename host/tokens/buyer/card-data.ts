/** What a purse answers, and what it tells of its records, as values (firmware/protocol/tokens.ts). */

import { NOTICE_ABORTED } from "../../../firmware/protocol/messages.js";
import * as t from "../../../firmware/protocol/tokens.js";
import type { CborValue } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { asBytes, Fields } from "../../codec/read.js";
import { ReasonError } from "../../reasons.js";
import type { Unit } from "../../units.js";
import { asAssertion, asId, HASH_BYTES, KEY_BYTES, readRanges, readUnit } from "../messages/common.js";
import type { PaymentPart } from "../messages/payment.js";
import type { Denomination } from "../terms.js";

const SEALED_EXTRA_BYTES = 48;
const REASON_MAX = 255;

/** Tokens of one value, and how far they are spent. */
export interface Stack extends Denomination {
  /** The first token that was neither revealed nor skipped, from 0 within its denomination. */
  readonly next: number;
}

export interface SentRequest {
  readonly slot: number;
  /** 16 bytes: what the share will answer to. */
  readonly nonce: Uint8Array;
  /** For the issuer. */
  readonly sealed: Uint8Array;
}

export interface InstalledPurse {
  readonly slot: number;
  readonly purse: Uint8Array;
}

export interface ClosedPurse extends InstalledPurse {
  /** For the issuer: how many tokens were revealed. */
  readonly sealed: Uint8Array;
}

export interface FoundPurse extends InstalledPurse {
  readonly stacks: readonly Stack[];
  readonly allowance: bigint;
}

/** What a purse shows for an order. */
export interface SpentTokens extends PaymentPart {
  /** What the order was paid in all. */
  readonly amount: bigint;
  /** 32 bytes: goods that are delivered sealed are sealed under it. */
  readonly goodsKey: Uint8Array;
}

/** Halves from `skip` on. */
export interface SpentPage extends SpentTokens {
  readonly skip: number;
}

export type ChipPurseState = "requested" | "open" | "closed";
const STATES: readonly ChipPurseState[] = ["requested", "open", "closed"];

export interface PurseRecord {
  readonly slot: number;
  readonly state: ChipPurseState;
  readonly nonce: Uint8Array;
  /** Null until its share is installed. */
  readonly purse: Uint8Array | null;
  readonly issuer: Uint8Array;
  readonly seller: Uint8Array;
  /** PURSE_MONEY or PURSE_AUTHORIZATION. */
  readonly kind: number;
  readonly unit: Unit;
  readonly stacks: readonly Stack[];
  readonly spendBy_seconds: number;
  /** 0 until its share is installed. */
  readonly redeemBy_seconds: number;
  readonly assertion: string | null;
  /** What it reveals without the PIN. */
  readonly allowance: bigint;
  /** SHA-256 of the order that was paid last, and what it was paid. */
  readonly order: Uint8Array | null;
  readonly revealed: bigint;
  readonly holders: number;
  readonly index: number;
}

/** The items of the notice that was expected; a ReasonError when the purse refused. */
export function noticeOf(body: Uint8Array, number: number): Fields {
  const fields = Fields.decode(body, "notice of a purse");
  const found = fields.uint("number", REASON_MAX);
  if (found === NOTICE_ABORTED) throw new ReasonError(fields.uint("reason", REASON_MAX));
  if (found !== number) throw new CodecError(`notice of a purse: number ${found}, not ${number}`);
  return fields;
}

function slotOf(fields: Fields): number {
  return fields.uint("slot", t.PURSES_MAX - 1);
}

export function readSentRequest(fields: Fields): SentRequest {
  const sealedBytes = t.TOKEN_REQUEST_PLAIN_BYTES + SEALED_EXTRA_BYTES;
  return ended(fields, {
    slot: slotOf(fields),
    nonce: fields.id("nonce"),
    sealed: fields.bytes("sealed request", sealedBytes),
  });
}

export function readInstalled(fields: Fields): InstalledPurse {
  return ended(fields, { slot: slotOf(fields), purse: fields.id("purse id") });
}

export function readClosed(fields: Fields): ClosedPurse {
  const sealedBytes = t.TOKEN_CLOSE_PLAIN_BYTES + SEALED_EXTRA_BYTES;
  const installed = { slot: slotOf(fields), purse: fields.id("purse id") };
  return ended(fields, { ...installed, sealed: fields.bytes("sealed close", sealedBytes) });
}

export function readSlot(fields: Fields): number {
  return ended(fields, slotOf(fields));
}

export function readAllowed(fields: Fields): bigint {
  slotOf(fields);
  return ended(fields, fields.amount("allowance"));
}

export function readFound(fields: Fields): FoundPurse {
  const installed = { slot: slotOf(fields), purse: fields.id("purse id") };
  return ended(fields, { ...installed, stacks: readStacks(fields), allowance: fields.amount("allowance") });
}

export function readSpent(fields: Fields): SpentPage {
  return ended(fields, {
    purse: fields.id("purse id"),
    index: fields.uint("index", t.HOLDERS_MAX - 1),
    amount: fields.amount("amount"),
    ranges: readRanges(fields),
    skip: fields.uint("skip", t.PURSE_TOKENS_MAX),
    halves: fields.bytes("halves", 0, t.HALVES_PER_SPEND_MAX * t.HALF_BYTES),
    goodsKey: fields.bytes("goods key", KEY_BYTES),
  });
}

export function readPurseRecord(record: CborValue): PurseRecord {
  const fields = Fields.ofArray(record, "purse", 18);
  const slot = slotOf(fields);
  const state = STATES[fields.uint("state", STATES.length) - 1];
  if (state === undefined) throw new CodecError("purse: a state that this program does not know");
  return {
    slot,
    state,
    nonce: fields.id("nonce"),
    purse: fields.optional("purse id", asId),
    issuer: fields.id("issuer"),
    seller: fields.id("seller"),
    kind: fields.uint("kind", t.PURSE_AUTHORIZATION),
    unit: readUnit(fields),
    stacks: readStacks(fields),
    spendBy_seconds: fields.uint("last second for spending"),
    redeemBy_seconds: fields.uint("last second for redemption"),
    assertion: fields.optional("assertion", asAssertion),
    allowance: fields.amount("allowance"),
    order: fields.optional("order", (value, name) => asBytes(value, name, HASH_BYTES)),
    revealed: fields.amount("revealed"),
    holders: fields.uint("holders", t.HOLDERS_MAX),
    index: fields.uint("index", t.HOLDERS_MAX - 1),
  };
}

function readStacks(fields: Fields): Stack[] {
  const items = fields.array("denominations");
  const stacks: Stack[] = [];
  while (items.left > 0) {
    const item = items.array("denomination", 3);
    const value = item.amount("value");
    const count = item.uint("count", t.PURSE_TOKENS_MAX);
    stacks.push({ value, count, next: item.uint("next", count) });
  }
  return stacks;
}

function ended<T>(fields: Fields, value: T): T {
  fields.end();
  return value;
}
