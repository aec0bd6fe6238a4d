/**
 * The end of a purse: open -> recalled -> closed, or open -> closed when its last second for redemption is over. It is closed
 * once, in the transaction that pays what the seller did not redeem back to the buyer (EP 0 833 285 A2 fig. 10, 1090-1099).
 */

import { CREDIT_REFUNDED, PURSE_MONEY } from "../../../firmware/protocol/tokens.js";
import { fromHex } from "../../codec/bytes.js";
import type { Executor } from "../../services/database.js";
import { signNotice, signRecall } from "../messages/closing.js";
import type { MintTables, StoredPurse, StoredRequest } from "./books.js";
import type { MintParts } from "./parts.js";

/** Whether nothing of it is redeemed any more. */
export function isOver(parts: Pick<MintParts, "now">, purse: Pick<StoredPurse, "redeemBy_seconds">): boolean {
  return parts.now() > purse.redeemBy_seconds;
}

/** Closes a purse that is not closed yet; its seller will be told. */
export async function closePurse(parts: MintParts, transaction: Executor<MintTables>, id: string): Promise<void> {
  const purse = await parts.books.storedPurse(id, transaction);
  if (purse.state === "closed") return;
  const [payer] = await parts.books.holders(id, transaction);
  if (payer === undefined) throw new Error(`the books of tokens have lost who holds purse ${id}`);
  const left = purse.face - purse.amountRedeemed;
  if (purse.kind === PURSE_MONEY) await parts.money?.payBack(transaction, purse, payer.buyer, left);
  await parts.books.closePurse(transaction, id, parts.now());
  await parts.books.addWaiting(transaction, "notice", purse);
}

/**
 * What a holder of a closed purse is told (1099): how many tokens were not spent, and what was paid back for them. The first
 * holder has paid for all; another is told that there is nothing for it.
 */
export function refundNotice({ signer }: MintParts, purse: StoredPurse, { buyer, index }: StoredRequest): Uint8Array {
  const isPayer = index === 0;
  return signNotice(
    {
      what: CREDIT_REFUNDED,
      purse: purse.id,
      subject: fromHex(buyer),
      request: null,
      tokens: isPayer ? purse.tokens - purse.tokensRedeemed : 0,
      amount: isPayer ? purse.face - purse.amountRedeemed : 0n,
      unit: purse.unit,
      time_seconds: closedAt(purse),
    },
    signer,
  );
}

/** What its seller is told: what was credited in all. Who the buyer is it is not told. */
export function closedNotice({ signer }: MintParts, purse: StoredPurse): Uint8Array {
  return signNotice(
    {
      what: CREDIT_REFUNDED,
      purse: purse.id,
      subject: purse.seller,
      request: null,
      tokens: purse.tokensRedeemed,
      amount: purse.amountRedeemed,
      unit: purse.unit,
      time_seconds: closedAt(purse),
    },
    signer,
  );
}

export function recallOf({ signer, now }: MintParts, purse: StoredPurse): Uint8Array {
  return signRecall({ purse: purse.id, seller: purse.seller, time_seconds: now() }, signer);
}

function closedAt(purse: StoredPurse): number {
  if (purse.closedAt_seconds === null) throw new Error(`purse ${purse.key} is not closed`);
  return purse.closedAt_seconds;
}
