/**
 * What a buyer's host does with a purse besides spending: asks for tokens (EP 0 833 285 A2 fig. 2 and 6) and has back what is unspent (fig.
 * 10). Each can be broken off at any point and be done again: the chip keeps what was asked, and the issuer what it answered.
 */

import { equalBytes } from "../codec/bytes.js";
import { sameUnit } from "../units.js";
import type { PurseCard, PurseOrder } from "./card.js";
import type { InstalledPurse, PurseRecord, SentRequest } from "./card-data.js";
import { TokenError } from "./errors.js";
import { encodeOuter } from "./messages/request.js";
import type { BuyerPurse, Refund } from "./parties.js";

/**
 * Asks for a purse and installs it. `forward` brings the message to the seller, or to the issuer where the buyer is on line. A request
 * of the pair that is under way is asked again, whatever it was for: then the purse may be another than `order` says.
 */
export async function requestTokens(
  card: PurseCard,
  issuer: Uint8Array,
  order: PurseOrder,
  forward: (outer: Uint8Array) => Promise<BuyerPurse>,
): Promise<InstalledPurse> {
  const { slot, sealed } = await sentRequest(card, issuer, order);
  try {
    const { share } = await forward(encodeOuter({ issuer, sealed }));
    return await card.install(share);
  } catch (error) {
    // What was issued all the same, if somebody else said so, goes back to the account when the purse's time is over.
    if (error instanceof TokenError && error.code === "refused") await card.forget(slot);
    throw error;
  }
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
