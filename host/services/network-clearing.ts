/**
 * What a completed authorization leaves between the banks. The payer's bank owes the network what it captured, the
 * network owes the payee's bank what that credited; where the two are in different currencies, the network's exchange
 * accounts stand between them.
 */

import type { Account, Posting, PostingBatch, Unit } from "./ledger.js";
import type { SettledRow } from "./network-tables.js";

export function settleBetweenBanks(row: SettledRow, time_seconds: bigint, batch: PostingBatch): void {
  const cardUnit = { currency: Number(row.billing_currency), exponent: Number(row.billing_exponent) };
  const merchantUnit = { currency: Number(row.currency), exponent: Number(row.exponent) };
  const [cardSide, merchantSide] =
    row.type === "purchase" ? (["debit", "credit"] as const) : (["credit", "debit"] as const);
  const card = networkAccount(`due/${row.card_bank}`, cardUnit);
  const merchant = networkAccount(`due/${row.merchant_bank}`, merchantUnit);
  const entry = { id: `network/clear/${row.approval}`, memo: "", time_seconds };
  const fromCard: Posting = { account: card.id, side: cardSide, amount: row.billing_amount };
  const toMerchant: Posting = { account: merchant.id, side: merchantSide, amount: row.amount };
  if (cardUnit.currency === merchantUnit.currency) {
    batch.add({ ...entry, postings: [fromCard, toMerchant] }, [card, merchant]);
    return;
  }
  const cardExchange = networkAccount("exchange", cardUnit);
  const merchantExchange = networkAccount("exchange", merchantUnit);
  const postings: Posting[] = [
    fromCard,
    { account: cardExchange.id, side: merchantSide, amount: row.billing_amount },
    { account: merchantExchange.id, side: cardSide, amount: row.amount },
    toMerchant,
  ];
  batch.add({ ...entry, postings }, [card, merchant, cardExchange, merchantExchange]);
}

/** `due/BANK`: what that bank owes the network; `exchange`: the network's position in a currency. Both go either way. */
function networkAccount(name: string, unit: Unit): Account {
  return { id: `network/${name}/${unit.currency}.${unit.exponent}`, kind: "asset", unit, mayGoNegative: true };
}
