/**
 * The scheme as it is in the source (EP 0 833 285 A2 fig. 4, steps 1014-1024): what is split is a token with its signature, of its
 * own length, so that each costs a signature and halves of about 120 bytes. For cards that only store halves, and to be measured
 * beside ours. docs/TOKENS.md says what each costs.
 *
 * A token is `[1, value, unique serial number, issuer id, currency, exponent, assertion or null]`, kind TOKEN, by the issuer.
 */

import { SIGNED_TOKEN } from "../../firmware/protocol/kinds.js";
import { equalBytes } from "../codec/bytes.js";
import { encode } from "../codec/cbor.js";
import { sign1, payloadOf as signedPayload, verify1 } from "../codec/cose.js";
import { CodecError } from "../codec/errors.js";
import { Fields } from "../codec/read.js";
import type { Signer } from "../codec/signer.js";
import { sourcePads, TokenSecrets, UNIQUE_BYTES } from "./derive.js";
import { asAssertion, readUnit, requireVersion, VERSION } from "./messages/common.js";
import { type Denomination, type PurseTerms, type SerialRange, tokenCount } from "./terms.js";

/** A signature each: more would keep the others waiting. */
export const SOURCE_TOKENS_MAX = 16_384;
const PIECE_TOKENS = 256;
const PAD_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface SourceToken extends Pick<PurseTerms, "issuer" | "unit" | "assertion"> {
  readonly value: bigint;
  /** 16 bytes: unique to all tokens of the issuer, in no order that anybody can see. */
  readonly unique: Uint8Array;
}

function payloadOf({ value, unique, issuer, unit, assertion }: SourceToken): Uint8Array {
  return encode([VERSION, value, unique, issuer, unit.currency, unit.exponent, assertion]);
}

export function signToken(token: SourceToken, signer: Signer): Uint8Array {
  return sign1(SIGNED_TOKEN, payloadOf(token), signer);
}

/** A token that this issuer signed; CodecError otherwise. */
export function verifyToken(signed: Uint8Array, publicKey: Uint8Array): SourceToken {
  const fields = Fields.decode(verify1(SIGNED_TOKEN, signed, publicKey), "token", 7);
  requireVersion(fields);
  const value = fields.amount("value");
  const unique = fields.bytes("unique serial number", UNIQUE_BYTES);
  const issuer = fields.id("issuer");
  return { value, unique, issuer, unit: readUnit(fields), assertion: fields.optional("assertion", asAssertion) };
}

/** Where each token of a purse begins when all lie one after the other, and where the last ends. Tokens of one value are of one length. */
export function tokenOffsets(purse: PurseTerms): Uint32Array {
  const nobody: Signer = { publicKey: new Uint8Array(PAD_BYTES), sign: () => new Uint8Array(SIGNATURE_BYTES) };
  const offsets = new Uint32Array(tokenCount(purse.denominations) + 1);
  let serial = 0;
  for (const { value, count } of purse.denominations) {
    const { length } = signToken({ ...purse, value, unique: new Uint8Array(UNIQUE_BYTES) }, nobody);
    for (const end = serial + count; serial < end; serial++) offsets[serial + 1] = (offsets[serial] ?? 0) + length;
  }
  return offsets;
}

/** Signs each token, and splits it: Q, the seller's half, is the token XOR P. One after the other, with their unique serial numbers. */
export async function splitSourceTokens(
  purse: PurseTerms & { readonly id: Uint8Array },
  secret: Uint8Array,
  signer: Signer,
): Promise<{ readonly uniques: Uint8Array; readonly halves: Uint8Array }> {
  const offsets = tokenOffsets(purse);
  const halves = sourceHalves(purse, secret, offsets);
  const uniques = new Uint8Array((offsets.length - 1) * UNIQUE_BYTES);
  const made = new TokenSecrets(secret);
  for (const [serial, value] of valuesOf(purse.denominations)) {
    const unique = made.unique(serial).slice();
    uniques.set(unique, serial * UNIQUE_BYTES);
    const token = signToken({ ...purse, value, unique }, signer);
    const at = offsets[serial] ?? 0;
    for (let i = 0; i < token.length; i++) halves[at + i] = (halves[at + i] ?? 0) ^ (token[i] ?? 0);
    if ((serial + 1) % PIECE_TOKENS === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { uniques, halves };
}

/** The P of all tokens, one after the other. */
export function sourceHalves(
  { id }: { readonly id: Uint8Array },
  secret: Uint8Array,
  offsets: Uint32Array,
): Uint8Array {
  const all = new Uint8Array(offsets[offsets.length - 1] ?? 0);
  const pads = sourcePads(secret, id);
  for (let at = 0, block = 0; at < all.length; at += PAD_BYTES, block++)
    all.set(pads.of(block).subarray(0, Math.min(PAD_BYTES, all.length - at)), at);
  return all;
}

function* valuesOf(denominations: readonly Denomination[]): Generator<readonly [serial: number, value: bigint]> {
  let serial = 0;
  for (const { value, count } of denominations) for (let i = 0; i < count; i++) yield [serial++, value];
}

/** Whether this is the purse's token of this value and unique serial number, by all that it says, and by its signature. */
export function isToken(
  signed: Uint8Array,
  purse: PurseTerms,
  token: Pick<SourceToken, "value" | "unique">,
  publicKey: Uint8Array,
): boolean {
  return isSigned(signed, publicKey) && saysToken(signed, purse, token);
}

/** As `isToken`, whoever signed it. */
export function saysToken(
  signed: Uint8Array,
  { issuer, unit, assertion }: PurseTerms,
  { value, unique }: Pick<SourceToken, "value" | "unique">,
): boolean {
  try {
    return equalBytes(signedPayload(signed), payloadOf({ value, unique, issuer, unit, assertion }));
  } catch (error) {
    if (error instanceof CodecError) return false;
    throw error;
  }
}

function isSigned(signed: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    verifyToken(signed, publicKey);
    return true;
  } catch (error) {
    if (error instanceof CodecError) return false;
    throw error;
  }
}

/** Where the tokens of `ranges` are that lie there one after the other, as far as the purse has them. */
export function* placesIn(
  offsets: Uint32Array,
  ranges: readonly SerialRange[],
): Generator<readonly [serial: number, at: number, length: number]> {
  let at = 0;
  for (const { first, count } of ranges)
    for (let serial = first; serial < first + count; serial++) {
      const begin = offsets[serial];
      const end = offsets[serial + 1];
      if (begin === undefined || end === undefined) return;
      yield [serial, at, end - begin];
      at += end - begin;
    }
}
