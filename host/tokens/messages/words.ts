/** A seller's words to an issuer (EP 0 833 285 A2 fig. 3, 9, 10). */

import * as k from "../../../firmware/protocol/kinds.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { encode } from "../../codec/cbor.js";
import { payloadOf, sign1, verify1 } from "../../codec/cose.js";
import { Fields } from "../../codec/read.js";
import type { Signer } from "../../codec/signer.js";
import type { SerialRange } from "../terms.js";
import { asId, encodeRanges, HASH_BYTES, readRanges, requireVersion, SIGNED_BYTES_MAX, VERSION } from "./common.js";

export interface SellerWord {
  /** WORD_FORWARD and its like. */
  readonly type: number;
  readonly seller: Uint8Array;
  /** 16 bytes; the same request again has the same answer. */
  readonly request: Uint8Array;
  readonly purse: Uint8Array | null;
  /** SHA-256 of what the word is about. */
  readonly digest: Uint8Array;
  readonly time_seconds: number;
}

export function signWord(word: SellerWord, signer: Signer): Uint8Array {
  const { type, seller, request, purse, digest, time_seconds } = word;
  return sign1(k.SIGNED_TOKEN_SELLER, encode([VERSION, type, seller, request, purse, digest, time_seconds]), signer);
}

export function readWord(signed: Uint8Array): SellerWord {
  const fields = Fields.decode(payloadOf(signed), "word of a seller", 7);
  requireVersion(fields);
  return {
    type: fields.uint("type", t.WORD_COLLECT),
    seller: fields.id("seller"),
    request: fields.id("request"),
    purse: fields.optional("purse", asId),
    digest: fields.bytes("digest", HASH_BYTES),
    time_seconds: fields.uint("time"),
  };
}

export function verifyWord(signed: Uint8Array, publicKey: Uint8Array): void {
  verify1(k.SIGNED_TOKEN_SELLER, signed, publicKey);
}

/** Tokens that a seller presents: what its word WORD_REDEEM or WORD_RETURN is about. In the source's scheme also a buyer's halves. */
export interface PresentedTokens {
  readonly ranges: readonly SerialRange[];
  /** 32 bytes each, in the order of the ranges; in the source's scheme tokens or halves, one after the other. */
  readonly secrets: Uint8Array;
}

export function encodePresented({ ranges, secrets }: PresentedTokens): Uint8Array {
  return encode([encodeRanges(ranges), secrets]);
}

export function readPresented(bytes: Uint8Array): PresentedTokens {
  const fields = Fields.decode(bytes, "presented tokens", 2);
  return { ranges: readRanges(fields), secrets: fields.bytes("secrets", 0, Number.MAX_SAFE_INTEGER) };
}

/** A signed word and what it is about, before they are sealed in bulk with the prologue `PROLOGUE.seller`. */
export function encodeWordAbout(word: Uint8Array, about: Uint8Array): Uint8Array {
  return encode([word, about]);
}

export function readWordAbout(bytes: Uint8Array): { readonly word: Uint8Array; readonly about: Uint8Array } {
  const fields = Fields.decode(bytes, "word of a seller", 2);
  const word = fields.bytes("word", 1, SIGNED_BYTES_MAX);
  return { word, about: fields.bytes("what it is about", 0, Number.MAX_SAFE_INTEGER) };
}
