/** A purse asks an issuer for tokens (EP 0 833 285 A2 fig. 2, steps 102-110). */

import * as k from "../../../firmware/protocol/kinds.js";
import { CHAIN_BYTES_MAX } from "../../../firmware/protocol/limits.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../codec/cbor.js";
import { payloadOf, sign1, verify1 } from "../../codec/cose.js";
import { CodecError } from "../../codec/errors.js";
import { type OpenSealedOptions, openSealed, type SealToOptions, sealTo } from "../../codec/noise.js";
import { Fields } from "../../codec/read.js";
import type { Signer } from "../../codec/signer.js";
import { checkTerms, type PurseTerms } from "../terms.js";
import {
  asAssertion,
  asId,
  KEY_BYTES,
  PROLOGUE,
  padded,
  readWhatItIs,
  requireVersion,
  SIGNED_BYTES_MAX,
  unpadded,
  VERSION,
  whatItIs,
} from "./common.js";

/** A token is split among this many buyers and the seller, and this is one of them. */
export interface JointPurse {
  /** 16 bytes, the same in every holder's request. */
  readonly id: Uint8Array;
  readonly holders: number;
  /** From 0; the account of the first is debited. */
  readonly index: number;
}

export interface TokenRequest extends PurseTerms {
  /** 16 bytes. */
  readonly nonce: Uint8Array;
  /** 16 bytes: subject id of the purse. */
  readonly buyer: Uint8Array;
  /** The purse of the same pair that this one replaces, or null. */
  readonly flushes: Uint8Array | null;
  readonly joint: JointPurse | null;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly time_seconds: number;
}

export function signRequest(request: TokenRequest, signer: Signer): Uint8Array {
  checkTerms(request);
  const { joint } = request;
  const payload: CborValue = [
    VERSION,
    request.nonce,
    request.buyer,
    request.issuer,
    request.seller,
    ...whatItIs(request),
    request.spendBy_seconds,
    request.assertion,
    request.flushes,
    joint === null ? null : [joint.id, joint.holders, joint.index],
    request.seed,
    request.time_seconds,
  ];
  return sign1(k.SIGNED_TOKEN_REQUEST, encode(payload), signer);
}

export function readRequest(signed: Uint8Array): TokenRequest {
  const fields = Fields.decode(payloadOf(signed), "token request", 16);
  requireVersion(fields);
  const nonce = fields.id("nonce");
  const buyer = fields.id("buyer");
  const ids = { issuer: fields.id("issuer"), seller: fields.id("seller") };
  const what = readWhatItIs(fields);
  const spendBy_seconds = fields.uint("last second for spending");
  const request: TokenRequest = {
    nonce,
    buyer,
    ...ids,
    ...what,
    spendBy_seconds,
    assertion: fields.optional("assertion", asAssertion),
    flushes: fields.optional("purse to flush", asId),
    joint: fields.optional("joint purse", asJoint),
    seed: fields.bytes("seed", KEY_BYTES),
    time_seconds: fields.uint("time"),
  };
  fields.end();
  checkTerms(request);
  return request;
}

/** Throws a CodecError when the request is not signed by this key. */
export function verifyRequest(signed: Uint8Array, publicKey: Uint8Array): void {
  verify1(k.SIGNED_TOKEN_REQUEST, signed, publicKey);
}

/** `signed` by the buyer, and the buyer's chain. */
export function sealRequest(
  signed: Uint8Array,
  chain: Uint8Array,
  options: Omit<SealToOptions, "prologue">,
): Uint8Array {
  const plain = padded([signed, chain], t.TOKEN_REQUEST_PLAIN_BYTES);
  return sealTo({ ...options, prologue: PROLOGUE.request }, plain);
}

export function openRequest(sealed: Uint8Array, options: Omit<OpenSealedOptions, "prologue">) {
  const fields = unpadded(
    openSealed({ ...options, prologue: PROLOGUE.request }, sealed),
    2,
    t.TOKEN_REQUEST_PLAIN_BYTES,
  );
  const signed = fields.bytes("request", 1, SIGNED_BYTES_MAX);
  return { signed, chain: fields.bytes("chain", 1, CHAIN_BYTES_MAX) };
}

/** What a seller is given (108-110): it says nothing of who asks. */
export interface OuterMessage {
  readonly issuer: Uint8Array;
  readonly sealed: Uint8Array;
}

export function encodeOuter({ issuer, sealed }: OuterMessage): Uint8Array {
  return encode([VERSION, issuer, sealed]);
}

export function readOuter(bytes: Uint8Array): OuterMessage {
  const fields = Fields.decode(bytes, "message for an issuer", 3);
  requireVersion(fields);
  return { issuer: fields.id("issuer"), sealed: fields.bytes("sealed request", SEALED_REQUEST_BYTES) };
}

/** What sealing in one message adds. */
const SEALED_EXTRA_BYTES = 48;
const SEALED_REQUEST_BYTES = t.TOKEN_REQUEST_PLAIN_BYTES + SEALED_EXTRA_BYTES;

function asJoint(value: CborValue, name: string): JointPurse {
  const fields = Fields.ofArray(value, name, 3);
  const id = fields.id("joint id");
  const holders = fields.uint("holders", t.HOLDERS_MAX);
  const index = fields.uint("index", t.HOLDERS_MAX - 1);
  if (holders < 2 || index >= holders) throw new CodecError(`${name}: holder ${index} of ${holders}`);
  return { id, holders, index };
}
