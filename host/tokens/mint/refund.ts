/** A buyer wants back what it did not spend (EP 0 833 285 A2 fig. 10, response 1080). */

import { PURSE_TOKENS_MAX, SCHEME_SOURCE, WORD_RETURN } from "../../../firmware/protocol/tokens.js";
import { asError } from "../../as-error.js";
import { toHex } from "../../codec/bytes.js";
import { decodeChain, readCertificate } from "../../codec/certificate.js";
import { openBulk } from "../bulk.js";
import { TokenError } from "../errors.js";
import { type CloseStatement, openClose, readClose, verifyClose } from "../messages/closing.js";
import { PROLOGUE } from "../messages/common.js";
import { readPresented } from "../messages/words.js";
import type { Refund } from "../parties.js";
import { placesIn, sourceHalves, tokenOffsets } from "../source-scheme.js";
import type { StoredPurse } from "./books.js";
import { closedNotice, closePurse, isOver, recallOf, refundNotice } from "./closing.js";
import type { MintParts } from "./parts.js";
import { redeem } from "./redemption.js";
import { authentically, legibly } from "./refusals.js";

/** How long a buyer waits for the seller's answer to a recall; the purse is asked for on. */
const RECALL_WAIT_MS = 10_000;

/** The same statement again is told how far the refund is. */
export async function refund(parts: MintParts, sealed: Uint8Array, halves?: Uint8Array): Promise<Refund> {
  const { purse, holder, statement } = await authenticate(parts, sealed);
  if (purse.scheme === SCHEME_SOURCE && purse.state === "open") requireHalves(parts, purse, statement, halves);
  // 1082-1086: a purse that is over has nobody to ask any more.
  if (purse.state === "closed") return { state: "closed", notice: refundNotice(parts, purse, holder) };
  if (isOver(parts, purse)) await parts.books.transact((transaction) => closePurse(parts, transaction, purse.key));
  else await recall(parts, purse.key);
  const now = await parts.books.storedPurse(purse.key);
  if (now.state === "closed") return { state: "closed", notice: refundNotice(parts, now, holder) };
  return { state: "recalled", paidBy_seconds: now.redeemBy_seconds };
}

/** Unseals, and authenticates the holder's signature by the certificate that the purse was asked for with. */
async function authenticate(parts: MintParts, sealed: Uint8Array) {
  const signed = legibly(() => openClose(sealed, { staticPrivate: parts.agreement.secretKey }));
  const statement = legibly(() => readClose(signed));
  const purse = await parts.books.purse(toHex(statement.purse));
  const holders = purse === undefined ? [] : await parts.books.holders(purse.key);
  const holder = holders.find(({ buyer }) => buyer === toHex(statement.buyer));
  if (purse === undefined || holder === undefined)
    throw new TokenError(
      "unknown-purse",
      "This issuer has made no such purse for this buyer. Nothing was booked. Ask the issuer that the purse names.",
    );
  authentically(() => verifyClose(signed, readCertificate(decodeChain(holder.chain).device).signatureKey));
  requireSpendable(statement, purse);
  return { purse, holder, statement };
}

/** More than all cannot have been spent. How much was, is not the buyer's to say: what the seller redeems counts. */
function requireSpendable({ spent }: CloseStatement, { denominations }: StoredPurse): void {
  const fits = spent.length === denominations.length;
  if (fits && spent.every((tokens, i) => tokens <= (denominations[i]?.count ?? PURSE_TOKENS_MAX))) return;
  throw new TokenError(
    "malformed",
    "The statement does not fit the purse's denominations. Nothing was booked, and the purse is as it was.",
  );
}

/**
 * In the source's scheme the buyer shows the halves that it has not spent, and each of them must make a token with the seller's,
 * which the issuer can make again (1090-1096). As many as the statement says were not spent.
 */
function requireHalves(
  parts: MintParts,
  purse: StoredPurse,
  { spent }: CloseStatement,
  sealed: Uint8Array | undefined,
): void {
  const { secret } = purse;
  if (sealed === undefined || secret === null)
    throw new TokenError(
      "half-missing",
      "The halves that were not spent are wanted with the statement. Nothing was booked. Send them with it.",
    );
  const { ranges, secrets: halves } = legibly(() =>
    readPresented(openBulk({ staticPrivate: parts.agreement.secretKey, prologue: PROLOGUE.halves }, sealed)),
  );
  const offsets = tokenOffsets(purse);
  const own = sourceHalves(purse, secret, offsets);
  let end = 0;
  let count = 0;
  let isOwn = true;
  for (const [serial, at, length] of placesIn(offsets, ranges)) {
    end = at + length;
    count += 1;
    for (let i = 0; i < length; i++) isOwn = isOwn && halves[at + i] === own[(offsets[serial] ?? 0) + i];
  }
  const unspent = purse.tokens - spent.reduce((sum, tokens) => sum + tokens, 0);
  if (isOwn && halves.length === end && count === unspent) return;
  throw new TokenError(
    "half-altered",
    "The halves do not make the tokens that the statement says were not spent. Nothing was booked, and the purse is as it was.",
  );
}

/** Marks the purse as recalled, and asks its seller for it (1084). Returns when it came, or when it is long in coming. */
export async function recall(parts: MintParts, id: string): Promise<void> {
  await parts.books.transact((transaction) => parts.books.recallPurse(transaction, id));
  await parts.couriers.within(RECALL_WAIT_MS, `recall/${id}`, () => fetchPurse(parts, id));
}

/** One attempt; true when there is nothing to ask for any more, or nobody to be asked: then the seller collects the recall. */
async function fetchPurse(parts: MintParts, id: string): Promise<boolean> {
  const purse = await parts.books.storedPurse(id);
  if (purse.state === "closed" || isOver(parts, purse)) return true;
  const line = parts.lineOf(await parts.registers.seller(purse.sellerKey));
  if (line === undefined) return true;
  const returned = await line.recall(recallOf(parts, purse));
  if (parts.couriers.isClosed) return false;
  await redeem(parts, returned, WORD_RETURN);
  const now = await parts.books.storedPurse(id);
  if (now.state !== "closed") return false;
  tellSeller(parts, id);
  return true;
}

/** Brings the seller of a closed purse its notice (1099), or leaves it to be collected. */
export function tellSeller(parts: MintParts, id: string): void {
  void parts.couriers.attempt(`notice/${id}`, async () => {
    const purse = await parts.books.storedPurse(id);
    const line = parts.lineOf(await parts.registers.seller(purse.sellerKey));
    if (line === undefined) return true;
    await line.notice(closedNotice(parts, purse));
    if (parts.couriers.isClosed) return false;
    await parts.books.brought("notice", id);
    return true;
  });
}

/**
 * Closes all purses whose last second for redemption is over: nothing is lost with a card, or by a seller that withholds. One that
 * cannot be closed holds up no other; it is due as before, and is tried again by the next. What failed, none is well.
 */
export async function closeDue(parts: MintParts): Promise<Error[]> {
  const failed: Error[] = [];
  for (const id of await parts.books.dueBefore(parts.now())) {
    try {
      await parts.books.transact((transaction) => closePurse(parts, transaction, id));
      tellSeller(parts, id);
    } catch (error) {
      failed.push(asError(error));
    }
  }
  return failed;
}

/** Takes up what was under way when the issuer stopped. */
export async function resumeErrands(parts: MintParts): Promise<void> {
  for (const { key } of await parts.books.pursesIn(["recalled"]))
    void parts.couriers.attempt(`recall/${key}`, () => fetchPurse(parts, key));
  for (const purse of await parts.books.waiting("notice")) tellSeller(parts, purse);
}
