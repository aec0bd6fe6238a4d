/**
 * A purse whose tokens are split among several buyers and the seller, all of whom are needed to spend one (EP 0 833 285 A2,
 * claim 1): the holders ask one by one, each with a seed of its own, and the purse is made when the last of them has.
 */

import { toHex } from "../../codec/bytes.js";
import { encode } from "../../codec/cbor.js";
import { sha256 } from "../../crypto.js";
import type { Executor } from "../../services/database.js";
import { whatItIs } from "../messages/common.js";
import type { TokenRequest } from "../messages/request.js";
import type { MintBooks, MintTables, StoredRequest } from "./books.js";
import { PrivateRefusal } from "./refusals.js";

/** SHA-256 of what all holders must ask alike. */
export function jointTerms(request: TokenRequest): Uint8Array {
  const { joint, seller, spendBy_seconds, assertion } = request;
  const together = joint === null ? null : [joint.id, joint.holders];
  return sha256(encode([together, seller, ...whatItIs(request), spendBy_seconds, assertion]));
}

/**
 * Keeps one holder's request, and says who has asked once all have, in the order of their places; undefined while others are
 * missing. One that does not fit the others is refused, and theirs stay.
 */
export async function joinHolders(
  books: MintBooks,
  transaction: Executor<MintTables>,
  request: TokenRequest,
  asked: StoredRequest,
): Promise<readonly StoredRequest[] | undefined> {
  const { joint } = request;
  if (joint === null) {
    await books.addRequest(transaction, asked, request);
    return [asked];
  }
  const id = toHex(joint.id);
  const others = await books.jointRequests(id, transaction);
  const isKnown = others.some(({ buyer, nonce }) => buyer === asked.buyer && nonce === asked.nonce);
  if (!isKnown) {
    const fits = others.every(
      ({ terms, index, buyer }) =>
        toHex(terms) === toHex(asked.terms) && index !== asked.index && buyer !== asked.buyer,
    );
    if (!fits) throw new PrivateRefusal("joint-mismatch");
    await books.addRequest(transaction, asked, request);
  }
  const all = await books.jointRequests(id, transaction);
  return all.length === joint.holders ? all : undefined;
}
