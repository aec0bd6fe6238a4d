/**
 * Both purses of a request, made from the secrets of the purse and the seeds of its holders (EP 0 833 285 A2 fig. 4, steps
 * 1014-1028): the same secrets give the same purses, so that a request can be answered again.
 */

import { HALF_BYTES } from "../../firmware/protocol/tokens.js";
import { encode } from "../codec/cbor.js";
import type { Signer } from "../codec/signer.js";
import { sha256 } from "../crypto.js";
import { sealBulk } from "./bulk.js";
import {
  buyerHalves,
  halfKey,
  leavesRoot,
  orderKey,
  TokenLeaves,
  TokenSecrets,
  UNIQUE_BYTES,
  xorInto,
} from "./derive.js";
import { PROLOGUE } from "./messages/common.js";
import { encodeSellerPurse, type PurseShare, sealShare, signHead, signShare } from "./messages/purses.js";
import type { StoredPurse } from "./mint-books.js";
import { sourceHalves, splitSourceTokens, tokenOffsets } from "./source-scheme.js";

/** A purse this large is made in pieces, so that others are answered in between. */
const PIECE_TOKENS = 16_384;

/** Who signs purses and seals them. */
export interface PurseMaker {
  readonly signer: Signer;
  /** Of the issuer. */
  readonly chain: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

/** What a seller keeps of each token, one after the other. */
export interface SellerTokens {
  /** What the head is signed over: the root of the leaves, in the source's scheme SHA-256 over the halves. */
  readonly root: Uint8Array;
  readonly leaves: Uint8Array;
  readonly uniques: Uint8Array;
  readonly halves: Uint8Array;
}

/** An open purse: its secret and its holders' seeds are still there. */
export interface OpenSecrets {
  readonly secret: Uint8Array;
  /** In the order of the holders. */
  readonly seeds: readonly Uint8Array[];
}

/** Makes the tokens, and splits each of them (1014-1024). */
export async function splitTokens(purse: StoredPurse, { secret, seeds }: OpenSecrets): Promise<SellerTokens> {
  const { id, tokens, denominations } = purse;
  const leaves = new Uint8Array(tokens * HALF_BYTES);
  const uniques = new Uint8Array(tokens * UNIQUE_BYTES);
  const halves = new Uint8Array(tokens * HALF_BYTES);
  const made = new TokenSecrets(secret);
  const leaf = new TokenLeaves(id);
  const half = new Uint8Array(HALF_BYTES);
  const holders = seeds.map((seed) => buyerHalves(halfKey(seed), id));
  let serial = 0;
  for (const { value, count } of denominations) {
    for (const end = serial + count; serial < end; serial++) {
      const unique = made.unique(serial);
      const tokenSecret = made.secret(serial);
      uniques.set(unique, serial * UNIQUE_BYTES);
      leaves.set(leaf.of(serial, value, unique, tokenSecret), serial * HALF_BYTES);
      // Q is the token's secret XOR the P of each holder (1020-1022).
      half.set(tokenSecret);
      for (const holder of holders) xorInto(half, holder.of(serial));
      halves.set(half, serial * HALF_BYTES);
      if ((serial + 1) % PIECE_TOKENS === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { root: leavesRoot(leaves), leaves, uniques, halves };
}

/** The seller's purse, signed and sealed (1026). */
export function sealSellerPurse(
  maker: PurseMaker,
  purse: StoredPurse,
  { seeds }: OpenSecrets,
  tokens: SellerTokens,
  remoteStatic: Uint8Array,
): Uint8Array {
  const { signer, chain, random } = maker;
  const head = signHead({ ...purse, purse: purse.id, root: tokens.root }, signer);
  const plain = encodeSellerPurse({ head, chain, orderKeys: seeds.map(orderKey), ...tokens });
  return sealBulk({ remoteStatic, prologue: PROLOGUE.purse, random }, plain);
}

/** As `splitTokens`, in the source's scheme. */
export async function splitBySource(
  { signer }: PurseMaker,
  purse: StoredPurse,
  { secret }: OpenSecrets,
): Promise<SellerTokens> {
  const { uniques, halves } = await splitSourceTokens(purse, secret, signer);
  return { root: sha256(halves), leaves: new Uint8Array(0), uniques, halves };
}

/** The buyer's halves in the source's scheme, which it cannot make itself: purse id, and all halves in the order of their serial numbers. */
export function sealBuyerHalves(
  { random }: PurseMaker,
  purse: StoredPurse,
  { secret }: OpenSecrets,
  remoteStatic: Uint8Array,
): Uint8Array {
  const halves = sourceHalves(purse, secret, tokenOffsets(purse));
  return sealBulk({ remoteStatic, prologue: PROLOGUE.halves, random }, encode([purse.id, halves]));
}

/** The share of one holder, signed and sealed (1028). */
export function sealBuyerShare(
  { signer, random }: PurseMaker,
  purse: StoredPurse,
  { nonce, buyer, index }: Pick<PurseShare, "nonce" | "buyer" | "index">,
  remoteStatic: Uint8Array,
): Uint8Array {
  return sealShare(signShare({ ...purse, purse: purse.id, nonce, buyer, index }, signer), { remoteStatic, random });
}
