/** The two purses that an issuer makes: the buyer's share and the seller's (EP 0 833 285 A2 fig. 4, steps 1025-1030). */

import * as k from "../../../firmware/protocol/kinds.js";
import { CHAIN_BYTES_MAX } from "../../../firmware/protocol/limits.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../codec/cbor.js";
import { sign1, verify1 } from "../../codec/cose.js";
import { type OpenSealedOptions, openSealed, type SealToOptions, sealTo } from "../../codec/noise.js";
import { asArray, asBytes, Fields } from "../../codec/read.js";
import type { Signer } from "../../codec/signer.js";
import { checkTerms, type PurseTerms } from "../terms.js";
import {
  asAssertion,
  HASH_BYTES,
  KEY_BYTES,
  PROLOGUE,
  padded,
  readDeadlines,
  readWhatItIs,
  requireVersion,
  SIGNED_BYTES_MAX,
  unpadded,
  VERSION,
  whatItIs,
} from "./common.js";

export interface PurseShare extends PurseTerms {
  readonly nonce: Uint8Array;
  readonly purse: Uint8Array;
  readonly buyer: Uint8Array;
  readonly redeemBy_seconds: number;
  /** Among how many buyers a token is split. */
  readonly holders: number;
  readonly index: number;
}

export function signShare(share: PurseShare, signer: Signer): Uint8Array {
  checkTerms(share);
  const payload: CborValue = [
    VERSION,
    share.nonce,
    share.purse,
    share.issuer,
    share.buyer,
    share.seller,
    ...whatItIs(share),
    share.spendBy_seconds,
    share.redeemBy_seconds,
    share.assertion,
    share.holders,
    share.index,
  ];
  return sign1(k.SIGNED_TOKEN_SHARE, encode(payload), signer);
}

export function verifyShare(signed: Uint8Array, publicKey: Uint8Array): PurseShare {
  const fields = Fields.decode(verify1(k.SIGNED_TOKEN_SHARE, signed, publicKey), "share", 16);
  requireVersion(fields);
  const ids = {
    nonce: fields.id("nonce"),
    purse: fields.id("purse"),
    issuer: fields.id("issuer"),
    buyer: fields.id("buyer"),
    seller: fields.id("seller"),
  };
  const what = readWhatItIs(fields);
  const share: PurseShare = {
    ...ids,
    ...what,
    ...readDeadlines(fields),
    assertion: fields.optional("assertion", asAssertion),
    holders: fields.uint("holders", t.HOLDERS_MAX),
    index: fields.uint("index", t.HOLDERS_MAX - 1),
  };
  fields.end();
  checkTerms(share);
  return share;
}

export function sealShare(signed: Uint8Array, options: Omit<SealToOptions, "prologue">): Uint8Array {
  return sealTo({ ...options, prologue: PROLOGUE.share }, padded([signed], t.TOKEN_SHARE_PLAIN_BYTES));
}

/** The signed share. */
export function openShare(sealed: Uint8Array, options: Omit<OpenSealedOptions, "prologue">): Uint8Array {
  const plain = openSealed({ ...options, prologue: PROLOGUE.share }, sealed);
  return unpadded(plain, 1, t.TOKEN_SHARE_PLAIN_BYTES).bytes("share", 1, SIGNED_BYTES_MAX);
}

export interface PurseHead extends PurseTerms {
  readonly purse: Uint8Array;
  readonly redeemBy_seconds: number;
  readonly holders: number;
  /** 32 bytes: SHA-256 over all leaves. */
  readonly root: Uint8Array;
}

export function signHead(head: PurseHead, signer: Signer): Uint8Array {
  checkTerms(head);
  const payload: CborValue = [
    VERSION,
    head.purse,
    head.issuer,
    head.seller,
    ...whatItIs(head),
    head.spendBy_seconds,
    head.redeemBy_seconds,
    head.assertion,
    head.holders,
    head.root,
  ];
  return sign1(k.SIGNED_TOKEN_PURSE, encode(payload), signer);
}

export function verifyHead(signed: Uint8Array, publicKey: Uint8Array): PurseHead {
  const fields = Fields.decode(verify1(k.SIGNED_TOKEN_PURSE, signed, publicKey), "head of a purse", 14);
  requireVersion(fields);
  const ids = { purse: fields.id("purse"), issuer: fields.id("issuer"), seller: fields.id("seller") };
  const what = readWhatItIs(fields);
  const head: PurseHead = {
    ...ids,
    ...what,
    ...readDeadlines(fields),
    assertion: fields.optional("assertion", asAssertion),
    holders: fields.uint("holders", t.HOLDERS_MAX),
    root: fields.bytes("root", HASH_BYTES),
  };
  fields.end();
  checkTerms(head);
  return head;
}

/** What is in a seller's purse. In the source's scheme there are no leaves, and `halves` are one after the other. */
export interface SellerPurse {
  /** The signed head. */
  readonly head: Uint8Array;
  /** Of the issuer. */
  readonly chain: Uint8Array;
  /** K of each holder. */
  readonly orderKeys: readonly Uint8Array[];
  readonly leaves: Uint8Array;
  readonly uniques: Uint8Array;
  readonly halves: Uint8Array;
}

/** Before it is sealed in bulk with the prologue `PROLOGUE.purse`. */
export function encodeSellerPurse({ head, chain, orderKeys, leaves, uniques, halves }: SellerPurse): Uint8Array {
  return encode([head, chain, orderKeys, leaves, uniques, halves]);
}

export function readSellerPurse(bytes: Uint8Array): SellerPurse {
  const fields = Fields.decode(bytes, "seller's purse", 6);
  const all = Number.MAX_SAFE_INTEGER;
  return {
    head: fields.bytes("head", 1, SIGNED_BYTES_MAX),
    chain: fields.bytes("chain of the issuer", 1, CHAIN_BYTES_MAX),
    orderKeys: asArray(fields.value("order keys"), "order keys").map((key) => asBytes(key, "order key", KEY_BYTES)),
    leaves: fields.bytes("leaves", 0, all),
    uniques: fields.bytes("unique serial numbers", 0, all),
    halves: fields.bytes("halves", 0, all),
  };
}
