/** A purse is closed, recalled, and its rest credited (EP 0 833 285 A2 fig. 10). */

import * as k from "../../../firmware/protocol/kinds.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../codec/cbor.js";
import { payloadOf, sign1, verify1 } from "../../codec/cose.js";
import { CodecError } from "../../codec/errors.js";
import { type OpenSealedOptions, openSealed, type SealToOptions, sealTo } from "../../codec/noise.js";
import { Fields } from "../../codec/read.js";
import type { Signer } from "../../codec/signer.js";
import { asId, PROLOGUE, padded, readUnit, requireVersion, SIGNED_BYTES_MAX, unpadded, VERSION } from "./common.js";

export interface CloseStatement {
  readonly purse: Uint8Array;
  readonly buyer: Uint8Array;
  /** How many tokens of each denomination were revealed. */
  readonly spent: readonly number[];
}

export function signClose({ purse, buyer, spent }: CloseStatement, signer: Signer): Uint8Array {
  return sign1(k.SIGNED_TOKEN_CLOSED, encode([VERSION, purse, buyer, spent]), signer);
}

export function readClose(signed: Uint8Array): CloseStatement {
  const fields = Fields.decode(payloadOf(signed), "closed purse", 4);
  requireVersion(fields);
  const purse = fields.id("purse");
  const buyer = fields.id("buyer");
  const counts = fields.array("spent");
  if (counts.left > t.DENOMINATIONS_MAX) throw new CodecError("closed purse: too many denominations");
  const spent: number[] = [];
  while (counts.left > 0) spent.push(counts.uint("tokens", t.PURSE_TOKENS_MAX));
  return { purse, buyer, spent };
}

export function verifyClose(signed: Uint8Array, publicKey: Uint8Array): void {
  verify1(k.SIGNED_TOKEN_CLOSED, signed, publicKey);
}

export function sealClose(signed: Uint8Array, options: Omit<SealToOptions, "prologue">): Uint8Array {
  return sealTo({ ...options, prologue: PROLOGUE.close }, padded([signed], t.TOKEN_CLOSE_PLAIN_BYTES));
}

/** The signed statement. */
export function openClose(sealed: Uint8Array, options: Omit<OpenSealedOptions, "prologue">): Uint8Array {
  const plain = openSealed({ ...options, prologue: PROLOGUE.close }, sealed);
  return unpadded(plain, 1, t.TOKEN_CLOSE_PLAIN_BYTES).bytes("closed purse", 1, SIGNED_BYTES_MAX);
}

export interface Recall {
  readonly purse: Uint8Array;
  readonly seller: Uint8Array;
  readonly time_seconds: number;
}

export function signRecall({ purse, seller, time_seconds }: Recall, signer: Signer): Uint8Array {
  return sign1(k.SIGNED_TOKEN_RECALL, encode([VERSION, purse, seller, time_seconds]), signer);
}

export function verifyRecall(signed: Uint8Array, publicKey: Uint8Array): Recall {
  const fields = Fields.decode(verify1(k.SIGNED_TOKEN_RECALL, signed, publicKey), "recall", 4);
  requireVersion(fields);
  return { purse: fields.id("purse"), seller: fields.id("seller"), time_seconds: fields.uint("time") };
}

export interface CreditNotice {
  /** CREDIT_REDEEMED, or CREDIT_REFUNDED: the purse is closed. */
  readonly what: number;
  readonly purse: Uint8Array;
  /** Who is told: a seller, or a buyer's purse. Nobody is told of another. */
  readonly subject: Uint8Array;
  /** Of a seller's word; null when a purse is closed. */
  readonly request: Uint8Array | null;
  /** How many tokens `amount` is for: credited by this word, refunded, or, where a seller is told of a closed purse, credited in all. */
  readonly tokens: number;
  readonly amount: bigint;
  readonly unit: { readonly currency: number; readonly exponent: number };
  readonly time_seconds: number;
}

export function signNotice(notice: CreditNotice, signer: Signer): Uint8Array {
  const payload: CborValue = [
    VERSION,
    notice.what,
    notice.purse,
    notice.subject,
    notice.request,
    notice.tokens,
    notice.amount,
    notice.unit.currency,
    notice.unit.exponent,
    notice.time_seconds,
  ];
  return sign1(k.SIGNED_TOKEN_NOTICE, encode(payload), signer);
}

export function verifyNotice(signed: Uint8Array, publicKey: Uint8Array): CreditNotice {
  const fields = Fields.decode(verify1(k.SIGNED_TOKEN_NOTICE, signed, publicKey), "credit notice", 10);
  requireVersion(fields);
  return {
    what: fields.uint("what", t.CREDIT_REFUNDED),
    purse: fields.id("purse"),
    subject: fields.id("subject"),
    request: fields.optional("request", asId),
    tokens: fields.uint("tokens", t.PURSE_TOKENS_MAX),
    amount: fields.amount("amount"),
    unit: readUnit(fields),
    time_seconds: fields.uint("time"),
  };
}
