/** For which requests an issuer makes tokens (EP 0 833 285 A2 fig. 4, steps 1008-1012), and what must come back first. */

import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY, SCHEME_SECRET, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../codec/bytes.js";
import { verifyChain } from "../codec/certificate.js";
import { closePurse, isOver } from "./closing.js";
import { TokenError } from "./errors.js";
import { type TokenRequest, verifyRequest } from "./messages/request.js";
import type { MintParts } from "./mint-parts.js";
import type { RegisteredSeller } from "./mint-registers.js";
import { recall, tellSeller } from "./refund.js";
import { authentically, PrivateRefusal } from "./refusals.js";
import { SOURCE_TOKENS_MAX } from "./source-scheme.js";
import { tokenCount } from "./terms.js";

/** A request that was unsealed; nobody has looked yet who signed it. */
export interface Unsealed {
  readonly request: TokenRequest;
  readonly signed: Uint8Array;
  /** Of the buyer. */
  readonly chain: Uint8Array;
}

/** Whether the buyer is who it says (1008-1010): a certified purse, whose signature this is. */
export function isAuthentic({ root, isBad, now }: MintParts, { request, signed, chain }: Unsealed): boolean {
  try {
    return authentically(() => {
      const { device } = verifyChain(chain, root, now());
      verifyRequest(signed, device.signatureKey);
      return device.role === ROLE_PURSE && equalBytes(device.id, request.buyer) && !isBad(device.id);
    });
  } catch (error) {
    if (error instanceof TokenError) return false;
    throw error;
  }
}

export function requireTimely({ now, spend_seconds_max }: MintParts, { spendBy_seconds }: TokenRequest): void {
  if (spendBy_seconds <= now() || spendBy_seconds > now() + spend_seconds_max) throw new PrivateRefusal("out-of-date");
}

/** Whether this issuer makes such tokens, for this buyer. */
export async function requireTaken(parts: MintParts, request: TokenRequest, seller: RegisteredSeller): Promise<void> {
  const { money, registers, books } = parts;
  const subject = toHex(request.buyer);
  const isMoney = request.kind === PURSE_MONEY;
  if (isMoney !== (money !== undefined) || !isScheme(request)) throw new PrivateRefusal("unit-refused");
  if (request.assertion !== null) {
    const isProved = await registers.isProved(subject, request.assertion, request.spendBy_seconds);
    if (!isProved) throw new PrivateRefusal("not-proved");
  }
  // Of a joint purse the first holder pays.
  if (money === undefined || (request.joint?.index ?? 0) > 0) return;
  const account = await registers.account(subject);
  if (account === undefined) throw new PrivateRefusal("unknown-buyer");
  if (!(await money.takes(books.database, request.unit, account, seller))) throw new PrivateRefusal("unit-refused");
}

/** The source's scheme is for one buyer, and for fewer tokens. */
function isScheme({ scheme, joint, denominations }: TokenRequest): boolean {
  if (scheme === SCHEME_SECRET) return true;
  return scheme === SCHEME_SOURCE && joint === null && tokenCount(denominations) <= SOURCE_TOKENS_MAX;
}

/**
 * An older purse of the pair is flushed first: the request names it, it is recalled, and its seller, who is on line if it
 * forwards, returns it at once. What is over is closed without the seller. Whether the purse has come back is looked at where the next is made.
 */
export async function flushPair(parts: MintParts, request: TokenRequest): Promise<void> {
  const { books } = parts;
  for (const purse of await books.pursesOfPair(request, toHex(request.buyer))) {
    if (isOver(parts, purse)) {
      await books.transact((transaction) => closePurse(parts, transaction, purse.key));
      tellSeller(parts, purse.key);
      continue;
    }
    const isNamed = request.flushes !== null && equalBytes(request.flushes, purse.id);
    if (purse.state === "open" && !isNamed) throw new PrivateRefusal("flush-first");
    await recall(parts, purse.key);
  }
}

export function flushing(): TokenError {
  return new TokenError(
    "flushing",
    "An older purse of this buyer and seller has to come back first. It was asked for, and no money was taken for a new one. Ask again.",
  );
}
