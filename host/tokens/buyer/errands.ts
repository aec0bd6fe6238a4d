/**
 * What a buyer's host does with a purse besides spending: asks for tokens (EP 0 833 285 A2 fig. 2 and 6) and has back what is unspent (fig.
 * 10). Each can be broken off at any point and be done again: the chip keeps what was asked, and the issuer what it answered.
 */

import { equalBytes } from "../../codec/bytes.js";
import { sameUnit } from "../../units.js";
import { TokenError } from "../errors.js";
import { encodeOuter } from "../messages/request.js";
import type { BuyerPurse, Refund } from "../parties.js";
import type { PurseCard, PurseOrder } from "./card.js";
import type { InstalledPurse, PurseRecord, SentRequest } from "./card-data.js";

export interface RequestOptions {
  /**
   * Whether the issuer itself says that it refused the request with this nonce. What a seller, or anybody on the line, says of a refusal
   * nobody has signed: without this the chip keeps the request, and asks it again the next time.
   */
  readonly isRefused?: (nonce: Uint8Array) => Promise<boolean>;
}

/**
 * Asks for a purse and installs it. `forward` brings the message to the seller, or to the issuer where the buyer is on line. A request
 * of the pair that is under way is asked again, whatever it was for: then the purse may be another than `order` says.
 */
export async function requestTokens(
  card: PurseCard,
  issuer: Uint8Array,
  order: PurseOrder,
  forward: (outer: Uint8Array) => Promise<BuyerPurse>,
  { isRefused = async () => false }: RequestOptions = {},
): Promise<InstalledPurse> {
  const { slot, sealed, nonce } = await sentRequest(card, issuer, order);
  try {
    const { share } = await forward(encodeOuter({ issuer, sealed }));
    return await card.install(share);
  } catch (error) {
    if (error instanceof TokenError && (await isForNothing(error, () => isRefused(nonce)))) await card.forget(slot);
    throw error;
  }
}

/** A purse that is closed is not had by asking again. Nobody has signed that either: but if it is not so, the next request flushes it. */
async function isForNothing({ code }: TokenError, isRefused: () => Promise<boolean>): Promise<boolean> {
  return code === "purse-closed" || (code === "refused" && (await isRefused()));
}

async function sentRequest(card: PurseCard, issuer: Uint8Array, order: PurseOrder): Promise<SentRequest> {
  const waiting = (await card.purses()).find((each) => each.state === "requested" && isPair(each, issuer, order));
  return waiting === undefined ? card.request(order) : card.repeat(waiting.slot);
}

function isPair(record: PurseRecord, issuer: Uint8Array, order: PurseOrder): boolean {
  const { seller, kind, unit, assertion } = record;
  const isOfThem = equalBytes(record.issuer, issuer) && equalBytes(seller, order.seller);
  const isForSame = kind === order.kind && sameUnit(unit, order.unit) && assertion === (order.assertion ?? null);
  return isOfThem && isForSame;
}

/**
 * Closes a purse and asks for what is left in it; when that was paid the chip forgets the purse. `ask` brings the statement to the
 * issuer. Again: how far it is.
 */
export async function refundTokens(
  card: PurseCard,
  slot: number,
  ask: (sealed: Uint8Array) => Promise<Refund>,
): Promise<Refund> {
  const { sealed } = await card.close(slot);
  const refund = await ask(sealed);
  if (refund.state === "closed") await card.settled(slot, refund.notice);
  return refund;
}

/** Asks once more for what is left in purses of an issuer that were closed, by hand or because a request flushed them. How far each is. */
export async function refundClosed(
  card: PurseCard,
  issuer: Uint8Array,
  ask: (sealed: Uint8Array) => Promise<Refund>,
): Promise<readonly Refund[]> {
  const refunds: Refund[] = [];
  for (const purse of await card.purses()) {
    if (purse.state === "closed" && equalBytes(purse.issuer, issuer))
      refunds.push(await refundTokens(card, purse.slot, ask));
  }
  return refunds;
}
